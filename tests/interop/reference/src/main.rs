//! What the reference container library makes of an APR file, and files that it writes itself.
//!
//!     apr-reference dump FILE      one JSON document: header, metadata, tensor table, CRC-32 of each tensor's bytes
//!     apr-reference write FOLDER   one file with every dtype, the same by the streaming writer, two shards, a manifest

use std::path::Path;
use std::process::ExitCode;

use apr_format::crc32;
use apr_format::v2::{
    required_file_len, AprV2Flags, AprV2Metadata, AprV2Reader, AprV2StreamingWriter, AprV2Writer, ShardInfo,
    ShardManifest, TensorDType,
};
use serde_json::{json, Value};

type Failure = Box<dyn std::error::Error>;

/// Every dtype with the shape it is written in and the bytes that takes.
const DTYPES: [(TensorDType, [usize; 2], usize); 12] = [
    (TensorDType::F32, [4, 6], 96),
    (TensorDType::F16, [4, 6], 48),
    (TensorDType::BF16, [4, 6], 48),
    (TensorDType::F64, [4, 6], 192),
    (TensorDType::I32, [4, 6], 96),
    (TensorDType::I64, [4, 6], 192),
    (TensorDType::I8, [4, 6], 24),
    (TensorDType::U8, [4, 6], 24),
    (TensorDType::AprQ4, [4, 8], 18),
    (TensorDType::AprQ8, [4, 6], 28),
    (TensorDType::Q4K, [2, 256], 288),
    (TensorDType::Q6K, [2, 256], 420),
];

fn dump(path: &Path) -> Result<Value, Failure> {
    let data = std::fs::read(path)?;
    let reader = AprV2Reader::from_bytes(&data)?;
    let header = reader.header();
    let tensors: Vec<Value> = reader
        .tensor_index()
        .iter()
        .map(|entry| {
            json!({
                "name": entry.name,
                "dtype": entry.dtype.name(),
                "shape": entry.shape,
                "offset": entry.offset,
                "size": entry.size,
                "crc32": reader.get_tensor_data(&entry.name).map(crc32),
            })
        })
        .collect();
    let metadata: Value = serde_json::from_slice(&reader.metadata().to_json()?)?;
    Ok(json!({
        "version": [header.version.0, header.version.1],
        "row_major": header.flags.contains(AprV2Flags::LAYOUT_ROW_MAJOR),
        "sharded": header.flags.contains(AprV2Flags::SHARDED),
        "quantized": header.flags.contains(AprV2Flags::QUANTIZED),
        "vocabulary": header.flags.contains(AprV2Flags::HAS_VOCAB),
        "aligned": reader.verify_alignment(),
        "required": required_file_len(&data)?,
        "footer": data.len() >= 4 && crc32(&data[..data.len() - 4]).to_le_bytes() == data[data.len() - 4..],
        "metadata": metadata,
        "tensors": tensors,
    }))
}

/// Bytes that differ from tensor to tensor, none of them a NaN's.
fn ramp(seed: usize, size: usize) -> Vec<u8> {
    (0..size).map(|i| ((i * 7 + seed * 13) % 61) as u8).collect()
}

fn metadata() -> AprV2Metadata {
    let mut metadata = AprV2Metadata::new("llama");
    metadata.name = Some("written by the reference".to_string());
    metadata.architecture = Some("llama".to_string());
    metadata.hidden_size = Some(256);
    metadata.num_layers = Some(1);
    metadata
}

fn write(folder: &Path) -> Result<Value, Failure> {
    let mut plain = AprV2Writer::new(metadata());
    let mut streaming = AprV2StreamingWriter::new(metadata())?;
    for (seed, (dtype, shape, size)) in DTYPES.into_iter().enumerate().rev() {
        plain.add_tensor(format!("t.{}", dtype.name()), dtype, shape.to_vec(), ramp(seed, size));
        streaming.add_tensor(format!("t.{}", dtype.name()), dtype, shape.to_vec(), &ramp(seed, size))?;
    }
    std::fs::write(folder.join("plain.apr"), plain.write()?)?;
    streaming.finalize(&folder.join("streaming.apr"))?;
    let mut manifest = ShardManifest::new(2);
    for index in 0..2 {
        let name = format!("w{index}");
        let mut shard = AprV2Writer::new(metadata());
        shard.with_sharding(2, index);
        shard.add_tensor(name.clone(), TensorDType::F32, vec![8], ramp(index, 32));
        let bytes = shard.write()?;
        let filename = format!("shard-{index:05}-of-00002.apr");
        std::fs::write(folder.join(&filename), &bytes)?;
        manifest.add_shard(ShardInfo { filename, index, size: bytes.len() as u64, tensors: vec![name] });
    }
    std::fs::write(folder.join("shards.json"), manifest.to_json()?)?;
    Ok(json!({"files": ["plain.apr", "streaming.apr", "shards.json"]}))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let result = match arguments.get(1..).unwrap_or_default() {
        [mode, path] if mode == "dump" => dump(Path::new(path)),
        [mode, path] if mode == "write" => write(Path::new(path)),
        _ => Err("usage: apr-reference dump FILE | write FOLDER".into()),
    };
    match result {
        Ok(value) => {
            println!("{value}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
