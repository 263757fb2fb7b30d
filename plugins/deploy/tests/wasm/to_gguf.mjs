// For each APR named on the command line a line of JSON: the SHA-256 of each file of its GGUF, or what is wrong with it.
import { createHash } from "node:crypto";
import { openAsBlob } from "node:fs";

const [script, ...files] = process.argv.slice(2);
const { toGguf } = await import(script);
for (const file of files) {
  const said = { file };
  try {
    const parts = await toGguf(await openAsBlob(file));
    said.parts = [];
    for (const part of parts) said.parts.push(createHash("sha256").update(Buffer.from(await part.arrayBuffer())).digest("hex"));
  } catch (error) {
    said.error = error.name === "Damaged" ? error.message : `UNEXPECTED ${error.stack}`;
  }
  console.log(JSON.stringify(said));
}
