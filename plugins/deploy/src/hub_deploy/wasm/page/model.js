// The model's bytes: fetched once, compared with the digests in site.json each time, kept for when there is no network.

export class Refused extends Error {
  name = "Refused";
}

/** SHA-256 in hexadecimal of a Blob, a buffer or a view. */
export async function sha256(data) {
  const digest = await crypto.subtle.digest("SHA-256", data instanceof Blob ? await data.arrayBuffer() : data);
  return Array.from(new Uint8Array(digest), (b) => b.toString(16).padStart(2, "0")).join("");
}

/** The APR as one Blob, put together from the parts that `site` names; `progress(done, whole)` counts bytes. */
export async function fetchModel(site, progress) {
  const kept = await store();
  const whole = site.model.bytes;
  const blobs = [];
  let done = 0;
  for (const part of site.model.parts) {
    blobs.push(await fetchPart(part, kept, (more) => progress(Math.min(whole, done + more), whole)));
    progress((done += part.bytes), whole);
  }
  await tidy(kept, site);
  return new Blob(blobs);
}

/** Where parts are kept; null where the browser keeps nothing (a private window, say). */
async function store() {
  try {
    return await caches.open(`hub model ${new URL(".", location).pathname}`);
  } catch {
    return null;
  }
}

async function fetchPart(part, kept, progress) {
  const held = await kept?.match(part.file);
  if (held) {
    const blob = await held.blob();
    if ((await differs(blob, part)) === null) return blob;
    await kept.delete(part.file); // changed on this machine's disk: the site is asked again
  }
  const blob = await download(part, progress);
  const wrong = await differs(blob, part);
  if (wrong !== null) throw new Refused(`${part.file} is not what this site was made with: ${wrong}. Nothing of it is used.`);
  try {
    await kept?.put(part.file, new Response(blob));
  } catch {
    // No room: the model runs all the same, and is fetched again next time.
  }
  return blob;
}

async function differs(blob, part) {
  if (blob.size !== part.bytes) return `it has ${blob.size} bytes, ${part.bytes} were expected`;
  const found = await sha256(blob);
  return found === part.sha256 ? null : `its SHA-256 is ${found}, ${part.sha256} was expected`;
}

async function download(part, progress) {
  const response = await fetch(part.file).catch((error) => {
    throw new Error(`${part.file} cannot be fetched: ${error.message}`);
  });
  if (!response.ok) throw new Error(`${part.file} cannot be fetched: the server says ${response.status}`);
  const pieces = [];
  let done = 0;
  const reader = response.body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    pieces.push(next.value);
    progress((done += next.value.length));
  }
  return new Blob(pieces);
}

/** Throw away what an older site of this address left. */
async function tidy(kept, site) {
  const wanted = new Set(site.model.parts.map((part) => new URL(part.file, location).href));
  for (const request of (await kept?.keys()) ?? []) if (!wanted.has(request.url)) await kept.delete(request);
}
