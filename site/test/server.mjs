// Serves site/, or what site/build made of it, on a free port of this machine, for tests and for
// looking at it:
//
//     node site/test/server.mjs [PORT] [FOLDER]

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.safetensors': 'application/octet-stream',
};

// The server, with its address and a list of the paths that were asked for and their sizes.
export async function serve(port = 0, root = ROOT) {
  const sent = [];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const path = normalize(pathname === '/' ? '/index.html' : pathname);
    const type = TYPES[extname(path)];
    try {
      if (!type || path.includes('..')) throw new Error('not served');
      const content = await readFile(join(root, path));
      sent.push([path, content.length]);
      response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-store' });
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${server.address().port}/`;
  return { address, sent, close: () => server.close() };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [port = 8000, root = ROOT] = process.argv.slice(2);
  const { address } = await serve(Number(port), resolve(root));
  console.log(address);
}
