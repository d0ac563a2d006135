/*
 * Writes V8's code of the chunks that a broker loads beside them. V8 accepts compiled code only under the flags that it was compiled with, and a
 * broker changes one after it has loaded most of them (src/process/lean-start.ts): each chunk's code is therefore written under the flags of its loading.
 */
'use strict';

const { writeFileSync } = require('node:fs');
const v8 = require('node:v8');
const { loadProgram } = require('./load-program.cjs');

const USUAL = '--semi-space-growth-factor=2';
const [, , directory, ...words] = process.argv;
process.argv.splice(2, Infinity, ...words);
const chunks = [];
const { setFlagsFromString } = v8;
let flags = USUAL;
v8.setFlagsFromString = (text) => setFlagsFromString((flags = text));
const program = loadProgram(directory, (filename, script) =>
  chunks.push({ filename, script, flags }),
);
// Other commands declare more than "serve".
program.createProgram();
process.on('exit', () => {
  for (const { filename, script, flags: own } of chunks) {
    setFlagsFromString(own);
    writeFileSync(`${filename}.cache`, script.createCachedData());
  }
});
program.runProgram().then((code) => {
  if (code !== undefined) process.exit(code);
  // A running broker stops as it would at a signal.
  process.kill(process.pid, 'SIGTERM');
});
