// What the robots need, fetched when they are needed: MuJoCo and three.js, which site/build gets from
// npm, and this project's module.

const MISSING =
  'MuJoCo and three.js are not in this copy of the site: site/build fetches them and makes a whole ' +
  'one in target/site';

async function vendor(name) {
  try {
    return await import(`../../vendor/built/${name}.js`);
  } catch {
    throw new Error(MISSING);
  }
}

export async function fetchBytes(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} is not there (${response.status})`);
  return new Uint8Array(await response.arrayBuffer());
}

export async function loadModules() {
  const [three, { default: loadMujoco }, bytes] = await Promise.all([
    vendor('three'),
    vendor('mujoco'),
    fetchBytes('robots.wasm'),
  ]);
  return { three, mujoco: await loadMujoco(), bytes };
}
