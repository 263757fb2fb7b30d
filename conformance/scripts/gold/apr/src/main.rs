//! Writes an APR file with the reference library, from a description.
//!
//!     apr-gold SPEC.json OUT.apr
//!
//! SPEC holds `metadata`, the container's own JSON; `tensors`, each with name, dtype, shape and its bytes in
//! hexadecimal; `streaming`, whether the streaming writer writes; `shards` as [count, index] or null.

use std::path::Path;

use apr_format::v2::{AprV2Metadata, AprV2StreamingWriter, AprV2Writer, TensorDType};
use serde_json::Value;

type Failure = Box<dyn std::error::Error>;

const DTYPES: [TensorDType; 12] = [
    TensorDType::F32,
    TensorDType::F16,
    TensorDType::BF16,
    TensorDType::F64,
    TensorDType::I32,
    TensorDType::I64,
    TensorDType::I8,
    TensorDType::U8,
    TensorDType::AprQ4,
    TensorDType::AprQ8,
    TensorDType::Q4K,
    TensorDType::Q6K,
];

/// A tensor of the description: name, dtype, shape, bytes.
fn tensor(told: &Value) -> Result<(String, TensorDType, Vec<usize>, Vec<u8>), Failure> {
    let name = told["name"].as_str().ok_or("no name")?.to_string();
    let dtype = told["dtype"].as_str().ok_or("no dtype")?;
    let dtype = DTYPES.into_iter().find(|d| d.name() == dtype).ok_or("unknown dtype")?;
    let shape = told["shape"].as_array().ok_or("no shape")?.iter().map(|n| n.as_u64().unwrap_or(0) as usize).collect();
    let hex = told["data"].as_str().ok_or("no data")?;
    let data: Result<Vec<u8>, _> = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16)).collect();
    Ok((name, dtype, shape, data?))
}

fn write(spec: &Path, out: &Path) -> Result<(), Failure> {
    let told: Value = serde_json::from_slice(&std::fs::read(spec)?)?;
    let metadata: AprV2Metadata = serde_json::from_value(told["metadata"].clone())?;
    let tensors: Result<Vec<_>, _> = told["tensors"].as_array().ok_or("no tensors")?.iter().map(tensor).collect();
    if told["streaming"].as_bool() == Some(true) {
        let mut writer = AprV2StreamingWriter::new(metadata)?;
        for (name, dtype, shape, data) in tensors? {
            writer.add_tensor(name, dtype, shape, &data)?;
        }
        writer.finalize(out)?;
        return Ok(());
    }
    let mut writer = AprV2Writer::new(metadata);
    if let Some([count, index]) = told["shards"].as_array().map(Vec::as_slice) {
        writer.with_sharding(count.as_u64().unwrap_or(0) as usize, index.as_u64().unwrap_or(0) as usize);
    }
    for (name, dtype, shape, data) in tensors? {
        writer.add_tensor(name, dtype, shape, data);
    }
    std::fs::write(out, writer.write()?)?;
    Ok(())
}

fn main() -> Result<(), Failure> {
    match &std::env::args().skip(1).collect::<Vec<_>>()[..] {
        [spec, out] => write(Path::new(spec), Path::new(out)),
        _ => Err("usage: apr-gold SPEC.json OUT.apr".into()),
    }
}
