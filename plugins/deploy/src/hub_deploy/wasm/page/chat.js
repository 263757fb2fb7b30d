// The page: loads the model, then holds a conversation with it.

import { toGguf } from "./apr.js";
import { fetchModel } from "./model.js";
import { checkFiles, keepSite, readSite } from "./site.js";

const at = (id) => document.getElementById(id);
let llama, running, templated;
let messages = [];

at("retry").addEventListener("click", () => location.reload());
at("clear").addEventListener("click", clear);
at("stop").addEventListener("click", () => running?.abort());
at("form").addEventListener("submit", send);
at("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (!at("send").disabled) at("form").requestSubmit();
  }
});

load().catch((error) => {
  console.error(error);
  at("loading").hidden = true;
  at("failure").hidden = false;
  at("reason").textContent = error.message;
});

async function load() {
  checkBrowser();
  const site = await readSite();
  document.title = at("title").textContent = site.name;
  show("Fetching the page and llama.cpp");
  const remark = await keepSite(site);
  await checkFiles(site);
  const apr = await fetchModel(site, (done, whole) => show("Fetching and checking the model", done, whole));
  show("Making a GGUF of the APR");
  const gguf = await toGguf(apr, { checksum: false }); // each part was compared with its SHA-256
  show("Starting llama.cpp");
  llama = await started(site, gguf);
  templated = llama.getChatTemplate() !== null;
  describe(site, remark);
  at("loading").hidden = true;
  for (const id of ["send", "clear"]) at(id).disabled = false;
  at("text").focus();
}

/** Say what is missing, where something is. */
function checkBrowser() {
  if (!window.isSecureContext) throw new Error("Browsers let a page check what it loads over https:// or on localhost only.");
  try {
    new WebAssembly.Memory({ address: "i64", initial: 1n });
  } catch {
    throw new Error("The WebAssembly of this browser has no 64-bit memory. Chrome and Edge have it from 133 on, Firefox from 134.");
  }
}

/** llama.cpp with the model. On the CPU: WebGPU is left alone. */
async function started({ context }, gguf) {
  const { Wllama } = await import("./wllama/index.js");
  const quiet = { ...console, debug() {}, log() {} };
  const made = new Wllama({ default: "wllama/wllama.wasm" }, { logger: quiet, suppressNativeLog: true });
  made.setCompat(null); // else older browsers would load another build from another site
  const cores = navigator.hardwareConcurrency || 1;
  const n_threads = cores > 4 ? Math.floor(cores / 2) : cores; // of more cores, half are a core's second thread
  await made.loadModel(gguf, { n_ctx: context, n_threads, n_parallel: 1, n_gpu_layers: 0, jinja: true });
  return made;
}

function show(step, done, whole) {
  at("step").textContent = step;
  if (whole) Object.assign(at("progress"), { max: whole, value: done });
  else at("progress").removeAttribute("value");
  at("amount").textContent = whole ? `${megabytes(done)} of ${megabytes(whole)}` : "";
}

const megabytes = (n) => `${(n / 1e6).toFixed(1)} MB`;

function describe(site, remark) {
  const threads = llama.getNumThreads();
  const facts = [megabytes(site.model.bytes), `${site.context} tokens of context`, `${threads} ${threads > 1 ? "threads" : "thread"}`];
  if (!templated) {
    facts.push("no chat template: it continues your text");
    at("text").placeholder = "Begin a text";
  }
  at("about").textContent = facts.join(" · ");
  if (remark) at("where").textContent += ` ${remark}`;
}

function clear() {
  running?.abort();
  messages = [];
  at("log").replaceChildren();
  at("speed").textContent = "";
  at("text").focus();
}

async function send(event) {
  event.preventDefault();
  const text = at("text").value.trim();
  if (!text || running) return;
  at("text").value = "";
  const chat = messages; // "New chat" begins another one meanwhile
  chat.push({ role: "user", content: text });
  add("user", text);
  const article = add("assistant", "");
  busy(new AbortController(), article);
  let answer = "";
  try {
    for await (const piece of answered(text, article)) {
      const followed = atEnd();
      answer += piece;
      article.firstChild.textContent = templated ? answer : text + answer;
      if (followed) toEnd();
    }
  } catch (error) {
    if (error.name !== "AbortError") fail(article, error);
  }
  if (answer) chat.push({ role: "assistant", content: answer });
  else chat.pop(); // a question without an answer is none that a template has a place for
  busy(null, article);
}

const atEnd = () => window.innerHeight + window.scrollY > document.body.scrollHeight - 80;
const toEnd = () => window.scrollTo({ top: document.body.scrollHeight });

/** The pieces of the answer as they come; how fast they do is shown on the way. */
async function* answered(text, article) {
  const asked = {
    stream: true, timings_per_token: true, abortSignal: running.signal,
    max_tokens: Number(at("tokens").value) || 512, temperature: Number(at("temperature").value),
  };
  const system = at("system").value.trim();
  const stream = templated
    ? await llama.createChatCompletion({ ...asked, messages: [...(system ? [{ role: "system", content: system }] : []), ...messages] })
    : await llama.createCompletion({ ...asked, prompt: text });
  for await (const { choices, timings } of stream) {
    if (timings) measured(article, timings);
    const piece = templated ? choices[0]?.delta?.content : choices[0]?.text;
    if (piece) yield piece;
  }
}

function measured(article, { predicted_n: n, predicted_per_second: rate, prompt_n: read, prompt_per_second: pace }) {
  const speed = Number.isFinite(rate) && n > 1 ? `${rate.toFixed(1)} tokens/s` : "";
  at("speed").textContent = speed;
  const asked = read > 1 && Number.isFinite(pace) ? `, ${read} read at ${pace.toFixed(0)}/s` : "";
  article.lastChild.textContent = speed ? `${n} tokens, ${speed}${asked}` : "";
}

function add(role, text) {
  const article = document.createElement("article");
  article.className = role;
  article.append(Object.assign(document.createElement("span"), { textContent: text }), document.createElement("small"));
  at("log").append(article);
  toEnd();
  return article;
}

function busy(controller, article) {
  running = controller;
  article.classList.toggle("writing", Boolean(controller));
  at("send").hidden = Boolean(controller);
  at("stop").hidden = !controller;
  if (!controller) at("text").focus();
}

function fail(article, error) {
  article.classList.add("error");
  article.firstChild.textContent += `${article.firstChild.textContent ? "\n" : ""}${error.message}`;
}
