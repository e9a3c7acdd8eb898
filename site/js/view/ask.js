// Requests to the server, and the rhythm in which they are repeated.

const PATIENCE = 60_000;

// What is at an address of the server: { content, tag }, without content if it is as it was when it
// had the tag `known`.
export async function ask(address, known) {
  let response;
  try {
    response = await fetch(address, {
      cache: 'no-cache', // The browser asks whether what it has is the newest.
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch {
    throw new Error('The server does not answer. Start it again with: fpo view');
  }
  if (!response.ok) {
    const ours = response.headers.get('Content-Type')?.startsWith('text/plain');
    throw new Error(ours ? (await response.text()).trim() : 'This page is served by: fpo view RUN');
  }
  const tag = response.headers.get('ETag');
  return { content: tag && tag === known ? undefined : await response.json(), tag };
}

// Calls `look` now, and again `seconds` after it is done, while the page is visible.
export function every(seconds, look) {
  let timer;
  let busy = false;
  async function next() {
    clearTimeout(timer);
    if (busy) return;
    busy = true;
    await look();
    busy = false;
    if (!document.hidden) timer = setTimeout(next, seconds * 1000);
  }
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) next();
  });
  return next();
}
