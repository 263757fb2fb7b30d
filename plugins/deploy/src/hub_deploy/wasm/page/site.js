// The site's own list of files, and the worker that keeps them.

import { Refused, sha256 } from "./model.js";

/** site.json as an object, with its own digest. */
export async function readSite() {
  const response = await fetch("site.json", { cache: "no-store" });
  if (!response.ok) throw new Error(`site.json cannot be fetched: the server says ${response.status}`);
  const text = await response.text();
  return { ...JSON.parse(text), digest: await sha256(new TextEncoder().encode(text)) };
}

/** Compare the page's own files and llama.cpp with their digests, before any of it computes. */
export async function checkFiles({ files }) {
  for (const { file, sha256: expected } of files) {
    const response = await fetch(file, { cache: "no-cache" });
    if (!response.ok) throw new Error(`${file} cannot be fetched: the server says ${response.status}`);
    const found = await sha256(await response.blob());
    if (found !== expected)
      throw new Refused(`${file} is not what this site was made with: its SHA-256 is ${found}, ${expected} was expected.`);
  }
}

/**
 * Have the worker of this very site serve the page from now on; the page is loaded again when another one did, or none.
 *
 * What is said when the browser refuses; the page works without, with one thread and with a network.
 */
export async function keepSite({ digest }) {
  if (!navigator.serviceWorker) return "This browser keeps no pages: there must be a network each time.";
  const wanted = new URL(`sw.js?site=${digest}`, location).href;
  try {
    const registration = await navigator.serviceWorker.register(wanted, { updateViaCache: "none" });
    await active(registration, wanted);
  } catch (error) {
    return `This page cannot be kept for when there is no network: ${error.message}`;
  }
  if (navigator.serviceWorker.controller?.scriptURL === wanted && crossOriginIsolated) return null;
  if (sessionStorage.getItem("loaded again for") === digest) return null; // once is enough, whatever came of it
  sessionStorage.setItem("loaded again for", digest);
  location.reload();
  return new Promise(() => {});
}

function active(registration, wanted) {
  const worker = [registration.installing, registration.waiting, registration.active].find((w) => w?.scriptURL === wanted);
  if (!worker) throw new Error("it did not start");
  return new Promise((resolve, reject) => {
    const look = () => {
      if (worker.state === "activated") resolve();
      if (worker.state === "redundant") reject(new Error("a file of the site is not what site.json says"));
    };
    worker.addEventListener("statechange", look);
    look();
  });
}
