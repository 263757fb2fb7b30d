// From an APR that `hub convert --target wasm` made to the GGUF that llama.cpp loads: the same bytes that converting it
// with hub gives. What goes where is said by the file's own block "hub.gguf"; here bytes are only moved. Runs in a page,
// in a worker and in node, and holds no more of the model in memory than the rows that change their places.

const HEADER = 64;
const LARGEST_METADATA = 256 * 2 ** 20;
const LARGEST_BLOCK = 2 ** 30;

export class Damaged extends Error {
  name = "Damaged";
}

/** The GGUF, as a list of files. `checksum: false` leaves out the CRC of the whole, for bytes that were checked before. */
export async function toGguf(apr, { checksum = true } = {}) {
  const header = await readHeader(apr);
  if (checksum) await checkFooter(apr);
  const metadata = parsed(bytes(await read(apr, header.metadata, header.size, "the metadata")), "the metadata");
  const block = metadata["hub.gguf"];
  if (block === undefined)
    throw new Damaged("this APR was not made for a page: hub convert MODEL.apr NEW.apr --target wasm makes one");
  if (block?.version !== 1) throw new Damaged(`hub.gguf is of version ${block?.version}, 1 is known`);
  const tensors = await readIndex(apr, header.index, header.data, header.count);
  const moves = await unpacked(block.moves);
  return inOrder(block.parts, (part) => buildPart(apr, tensors, moves, part));
}

/** Where metadata, index and data lie. */
async function readHeader(apr) {
  const header = await read(apr, 0, HEADER, "the header");
  if (header.getUint32(0, true) !== 0x00525041) throw new Damaged("this is no APR: the file does not begin with APR");
  const sum = crc32([bytes(header).subarray(0, 40), bytes(header).subarray(44)]);
  if (sum !== header.getUint32(40, true)) throw new Damaged("the header does not fit its checksum (byte 40)");
  const size = header.getUint32(20, true);
  if (size > LARGEST_METADATA) throw new Damaged(`the metadata has ${size} bytes, at most ${LARGEST_METADATA} are read`);
  const [metadata, index, data] = [12, 24, 32].map((offset) => Number(header.getBigUint64(offset, true)));
  return { count: header.getUint32(8, true), metadata, size, index, data };
}

async function readIndex(apr, start, data, count) {
  const view = await read(apr, start, data - start, "the index of tensors");
  const tensors = new Map();
  let at = 0;
  const take = (n) => {
    if (at + n > view.byteLength) throw new Damaged(`the index of tensors ends inside tensor ${tensors.size} of ${count}`);
    return (at += n) - n;
  };
  for (let i = 0; i < count; i++) {
    const length = view.getUint16(take(2), true);
    const name = new TextDecoder().decode(bytes(view).subarray(take(length), at));
    const dims = view.getUint8(take(2) + 1);
    take(8 * dims);
    const [offset, size] = [Number(view.getBigUint64(take(8), true)), Number(view.getBigUint64(take(8), true))];
    if (tensors.has(name)) throw new Damaged(`the tensor ${name} is twice in the index`);
    if (data + offset + size > apr.size)
      throw new Damaged(`the tensor ${name} ends at byte ${data + offset + size}, the file at ${apr.size}: it is cut short`);
    tensors.set(name, { start: data + offset, size });
  }
  return tensors;
}

/** One file of the GGUF: its header, and the tensors with zeros between them. */
async function buildPart(apr, tensors, moves, { size, head, tensors: packed }) {
  const pieces = [await inflated(head)];
  let end = pieces[0].byteLength;
  for (const [at, parts] of await unpacked(packed)) {
    if (!(at >= end && at <= size)) throw new Damaged(`hub.gguf puts a tensor at byte ${at}, where there is no room`);
    pieces.push(new Uint8Array(at - end));
    end = at;
    for (const part of parts) {
      const piece = await makePiece(apr, tensors, moves, part);
      pieces.push(piece);
      end += piece.size ?? piece.byteLength;
    }
  }
  if (!(end <= size)) throw new Damaged(`hub.gguf puts ${end} bytes into a file of ${size}`);
  pieces.push(new Uint8Array(size - end));
  return new Blob(pieces);
}

async function makePiece(apr, tensors, moves, { of, width, rows, item, bytes: given }) {
  if (given !== undefined) return Uint8Array.from(atob(given), (c) => c.charCodeAt(0));
  const tensor = tensors.get(of);
  if (tensor === undefined) throw new Damaged(`hub.gguf asks for a tensor ${of} that is not in the file`);
  if (width === undefined) return apr.slice(tensor.start, tensor.start + tensor.size);
  const n = tensor.size / width;
  if (!Number.isInteger(n)) throw new Damaged(`the tensor ${of} has no rows of ${width} bytes`);
  const raw = bytes(await read(apr, tensor.start, tensor.size, `the tensor ${of}`));
  return rows === undefined ? transposed(raw, n, width / item, item) : taken(raw, n, width, moves[rows], of);
}

function taken(raw, n, width, rows, name) {
  const out = new Uint8Array(rows.length * width);
  rows.forEach((row, i) => {
    if (!(row >= 0 && row < n)) throw new Damaged(`hub.gguf asks for row ${row} of ${name}, which has ${n}`);
    out.set(raw.subarray(row * width, (row + 1) * width), i * width);
  });
  return out;
}

function transposed(raw, rows, columns, item) {
  const out = new Uint8Array(raw.length);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++)
      for (let b = 0; b < item; b++) out[(c * rows + r) * item + b] = raw[(r * columns + c) * item + b];
  return out;
}

async function read(blob, start, length, what) {
  if (!(start >= 0 && length >= 0 && start + length <= blob.size))
    throw new Damaged(`${what} would lie at bytes ${start} to ${start + length}, the file has ${blob.size}: it is cut short`);
  return new DataView(await blob.slice(start, start + length).arrayBuffer());
}

const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

async function inOrder(list, make) {
  const out = [];
  for (const one of list) out.push(await make(one));
  return out;
}

/** A JSON value that hub packed: as it is, or deflated when it is long. */
async function unpacked(block) {
  return block?.["hub.zlib"] === undefined ? block : parsed(await inflated(block), "hub.gguf");
}

/** The bytes of a deflated block, never more than it announces. */
async function inflated({ "hub.zlib": text, size }) {
  if (!(size >= 0 && size <= LARGEST_BLOCK)) throw new Damaged(`hub.gguf announces ${size} bytes`);
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const out = new Uint8Array(size);
  let end = 0;
  try {
    for await (const piece of readable(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate")))) {
      out.set(piece, end); // a RangeError where there is more than announced
      end += piece.length;
    }
  } catch (error) {
    throw new Damaged(`hub.gguf does not inflate: ${error.message}`);
  }
  if (end !== size) throw new Damaged(`hub.gguf inflates to ${end} bytes, ${size} were announced`);
  return out;
}

/** The pieces of a stream; Safari's are not iterable. */
async function* readable(stream) {
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}

function parsed(raw, what) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(raw));
  } catch (error) {
    throw new Damaged(`${what} is no JSON: ${error.message}`);
  }
}

async function checkFooter(apr) {
  const end = apr.size - 4;
  const sum = new Crc32();
  for (let at = 0; at < end; at += 2 ** 24) sum.add(bytes(await read(apr, at, Math.min(2 ** 24, end - at), "the file")));
  if (sum.value !== (await read(apr, end, 4, "the checksum")).getUint32(0, true))
    throw new Damaged("the file does not fit its checksum: some of its bytes are wrong or missing");
}

// The reflected polynomial 0xEDB88320, as zlib has it.
const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

class Crc32 {
  #state = -1;

  add(data) {
    let c = this.#state;
    for (let i = 0; i < data.length; i++) c = TABLE[(c ^ data[i]) & 255] ^ (c >>> 8);
    this.#state = c;
  }

  get value() {
    return (this.#state ^ -1) >>> 0;
  }
}

function crc32(pieces) {
  const sum = new Crc32();
  pieces.forEach((piece) => sum.add(piece));
  return sum.value;
}
