// The package: its size, what is in it, and what tools for packages say.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { minify } from 'terser';

const folder = fileURLToPath(new URL('../../../static/client/', import.meta.url));
const bin = fileURLToPath(new URL('../node_modules/.bin/', import.meta.url));
const packed = mkdtempSync(join(tmpdir(), 'ws-client-package-'));
after(() => rmSync(packed, { recursive: true }));

// What the main module takes in a bundle. docs/DECISIONS.md says why it is what it is.
const MINIFIED_MAX = 28_050, GZIP_MAX = 11_350;

test('the main module is small', async () => {
  const source = readFileSync(join(folder, 'ws-client.js'), 'utf8');
  const { code } = await minify(source, { module: true, ecma: 2022, compress: { passes: 3, unsafe_arrows: true } });
  const sizes = { minified: code.length, gzip: gzipSync(code, { level: 9 }).length };
  console.log(JSON.stringify(sizes));
  assert.ok(sizes.minified <= MINIFIED_MAX && sizes.gzip <= GZIP_MAX, JSON.stringify(sizes));
});

test('importing any module touches no global', () => {
  const script = `
    for (const name of ['WebSocket', 'crypto', 'indexedDB', 'navigator', 'document', 'setTimeout', 'performance', 'addEventListener']) {
      Object.defineProperty(globalThis, name, { configurable: true, get() { throw new Error('touched ' + name); } });
    }
    await import('ws-server-client');
    await import('ws-server-client/claude');
    await import('ws-server-client/indexeddb');
    await import('ws-server-client/memory');`;
  execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: fileURLToPath(new URL('..', import.meta.url)) });
});

test('publint has nothing to say', async () => {
  const { messages, pkg } = await publint({ pkgDir: folder, strict: true });
  assert.deepEqual(messages.map((message) => formatMessage(message, pkg)), []);
});

test('the types are right for whoever imports modules', () => {
  const [{ filename, files }] = JSON.parse(execFileSync('npm', ['pack', folder, '--json', '--pack-destination', packed], { encoding: 'utf8' }));
  const names = ['claude', 'indexeddb', 'memory', 'react', 'vue', 'ws-client'].flatMap((name) => [`${name}.d.ts`, `${name}.js`]);
  assert.deepEqual(files.map(({ path }) => path).sort(), ['README.md', ...names, 'package.json'].sort());
  execFileSync(join(bin, 'attw'), [join(packed, filename), '--profile', 'esm-only', '--no-emoji', '--no-color'], { encoding: 'utf8' });
});

test('a program with types compiles, and one with a wrong payload does not', () => {
  const check = (name) => execFileSync(join(bin, 'tsc'), ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', '', fileURLToPath(new URL(name, import.meta.url))], { encoding: 'utf8' });
  check('types.ts');
  assert.throws(() => check('types-wrong.ts'), (error) => /payload|number/.test(error.stdout));
});
