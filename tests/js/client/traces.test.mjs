// The traces of docs/CLIENTS.md: the Rust client's machine wrote them, this one must do the same.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { machine } from '../../../static/client/ws-client.js';

const folder = new URL('../../../crates/ws-client/tests/traces/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));

/** As JSON has it: fields that are undefined are absent. */
const plain = (value) => JSON.parse(JSON.stringify(value));

function replay({ options, steps }) {
  const step = machine(options);
  for (const [index, { at, wall, in: input, random, out, timer }] of steps.entries()) {
    const draws = [...random];
    const draw = () => {
      assert.ok(draws.length, `step ${index}: one draw too many`);
      return draws.shift();
    };
    const [name] = Object.keys(input);
    const done = plain(step(at, wall, draw, name, input[name]));
    assert.deepEqual(done.out, out, `step ${index}: ${JSON.stringify(input)}`);
    assert.equal(done.timer, timer, `step ${index}: the timer after ${JSON.stringify(input)}`);
    assert.deepEqual(draws, [], `step ${index}: draws are left`);
  }
  assert.ok(steps.length > 0);
}

assert.ok(files.length >= 10, 'the traces are there');
for (const file of files) {
  const trace = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  test(`${file}: ${trace.about}`, () => replay(trace));
}
