// Keeps the site itself (not the model, which the page keeps) for when there is no network: all files of one site.json,
// each compared with its digest, or none. The digest of that site.json is in this script's address, so a changed site
// is a changed worker. What it serves carries the two headers under which browsers let WebAssembly use threads.

const SITE = new URL(location).searchParams.get("site");
const PREFIX = `hub site ${new URL(".", location).pathname} `;
const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

self.addEventListener("install", (event) => event.waitUntil(keepSite()));
self.addEventListener("activate", (event) => event.waitUntil(takeOver()));
self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method === "GET" && url.origin === location.origin) event.respondWith(answer(event.request, url));
});

async function keepSite() {
  const listed = await fetch("site.json", { cache: "no-store" });
  const text = await listed.clone().text();
  if ((await sha256(text)) !== SITE) throw new Error("site.json changed meanwhile");
  const cache = await caches.open(PREFIX + SITE);
  await cache.put("site.json", listed);
  for (const { file, sha256: expected } of JSON.parse(text).files) {
    const response = await fetch(file, { cache: "no-cache", integrity: `sha256-${base64(expected)}` });
    if (!response.ok) throw new Error(`${file}: ${response.status}`);
    await cache.put(file, response);
  }
  await self.skipWaiting();
}

async function takeOver() {
  for (const name of await caches.keys()) if (name.startsWith(PREFIX) && name !== PREFIX + SITE) await caches.delete(name);
  await self.clients.claim();
}

async function answer(request, url) {
  const cache = await caches.open(PREFIX + SITE);
  if (url.pathname.endsWith("/site.json")) return isolated(await fetch(request).catch(() => cache.match("site.json")));
  const kept = await cache.match(request.mode === "navigate" ? "index.html" : request, { ignoreSearch: true });
  return isolated(kept ?? (await fetch(request)));
}

function isolated(response) {
  if (!response || response.type === "opaque" || response.status === 0) return response ?? Response.error();
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATION)) headers.set(name, value);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

async function sha256(text) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (b) => b.toString(16).padStart(2, "0")).join("");
}

const base64 = (hex) => btoa(hex.replace(/../g, (byte) => String.fromCharCode(parseInt(byte, 16))));
