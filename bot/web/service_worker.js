// @ts-check
// Keeps the page, so that the numbers to call are there on a reload when the server, or the network, is not.

const KEPT = "maeum";
const PATIENCE = 4000;
const worker = /** @type {any} */ (self);
// The page is above the folder of its files.
const page = new URL("../../", worker.location.href).href;

worker.addEventListener("install", (/** @type {any} */ event) => {
  event.waitUntil(keepAll().then(() => worker.skipWaiting()));
});

worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const { method, url } = event.request;
  const address = url.split(/[?#]/)[0];
  if (method === "GET" && (address === page || address.startsWith(new URL("./", worker.location.href).href))) {
    event.respondWith(fromServer(event.request, address));
  }
});

/** What the server has, or what was kept if it doesn't answer. @param {Request} request @param {string} address */
async function fromServer(request, address) {
  const kept = await caches.open(KEPT);
  try {
    // Browsers of before 2022 have no such signal, and wait as long as they like.
    const response = await fetch(request, { signal: AbortSignal.timeout?.(PATIENCE) });
    if (response.ok) await kept.put(address, response.clone());
    // A proxy answers, too, for a server that is down and where many come at once.
    else if (response.status >= 500 || response.status === 429) return (await kept.match(address)) ?? response;
    return response;
  } catch (error) {
    const copy = await kept.match(address);
    if (copy) return copy;
    throw error;
  }
}

/** Keeps the page and every file it names. */
async function keepAll() {
  const kept = await caches.open(KEPT);
  const html = await (await fetch(page)).text();
  const files = [...html.matchAll(/(?:href|src)="([^"#:]+)"/g)].map(([, file]) => new URL(file ?? "", page).href);
  await kept.addAll([page, ...files]);
}
