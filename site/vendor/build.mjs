// Makes of the installed packages what the robots load, into a folder:
//
//     node site/vendor/build.mjs FOLDER

import { build, transform } from 'esbuild';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [folder] = process.argv.slice(2);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const packages = (path) => here(`node_modules/${path}`);

// MuJoCo's glue compiles a function for each of MuJoCo's from a text, which pages with a strict
// content security policy do not allow; these do the same without. And it knows no views of arrays
// of booleans. Each place is replaced once, or the build fails.
const REPLACED = [
  [
    'var invokerFn = new Function(...args, invokerFnBody)(...closureArgs);',
    `var firstWired = isClassMethodFunc ? 1 : 2;
      var invokerFn = function (...given) {
        checkArgCount(given.length, minArgs, expectedArgCount, humanName, throwBindingError);
        var destructors = needsDestructorStack ? [] : null;
        var wired = isClassMethodFunc ? [argTypes[1]['toWireType'](destructors, this)] : [];
        for (var i = 2; i < argCount; ++i) {
          wired.push(argTypes[i]['toWireType'](destructors, given[i - 2]));
        }
        var result = cppInvokerFunc(cppTargetFunc, ...wired);
        if (needsDestructorStack) {
          runDestructors(destructors);
        } else {
          for (var i = firstWired; i < argCount; ++i) {
            argTypes[i].destructorFunction?.(wired[i - firstWired]);
          }
        }
        if (returns) return argTypes[0]['fromWireType'](result);
      };`,
  ],
  [
    'let [args, invokerFnBody] = createJsInvoker(argTypes, isClassMethodFunc, returns, isAsync);',
    '',
  ],
  [
    'var invokerFunction = new Function(...params, functionBody)(...args);',
    `var invokerFunction = function (obj, func, destructorsRef, at) {
        var given = types.map((type) => {
          var value = type.readValueFromPointer(at);
          at += type.argPackAdvance;
          return value;
        });
        var result = kind === 1 ? new func(...given) : func.call(obj, ...given);
        if (!retType.isVoid) return emval_returnValue(retType, destructorsRef, result);
      };`,
  ],
  [
    'throwBindingError(`${humanName} has unknown type ${getTypeName(rawType)}`);',
    `if (getTypeName(rawType) === 'N10emscripten11memory_viewIbEE') {
          return {
            readValueFromPointer: (at) =>
              new Uint8Array(HEAPU8.buffer, HEAPU32[(at + 4) >> 2], HEAPU32[at >> 2]),
          };
        }
        throwBindingError(\`\${humanName} has unknown type \${getTypeName(rawType)}\`);`,
  ],
];

await mkdir(folder, { recursive: true });
let glue = await readFile(packages('@mujoco/mujoco/mujoco.js'), 'utf8');
for (const [from, to] of REPLACED) {
  const parts = glue.split(from);
  if (parts.length !== 2) throw new Error(`mujoco.js has ${parts.length - 1} places: ${from}`);
  glue = parts.join(to);
}
const { code } = await transform(glue, { minify: true, format: 'esm', legalComments: 'inline' });
if (/\bnew Function\b|\beval\(/.test(code)) throw new Error('mujoco.js compiles code from text');
await writeFile(join(folder, 'mujoco.js'), code);
await copyFile(packages('@mujoco/mujoco/mujoco.wasm'), join(folder, 'mujoco.wasm'));
await build({
  entryPoints: [here('three.entry.js')],
  outfile: join(folder, 'three.js'),
  bundle: true,
  minify: true,
  format: 'esm',
  logLevel: 'warning',
});
await copyFile(packages('three/LICENSE'), join(folder, 'three.LICENSE'));
