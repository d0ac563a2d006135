/*
 * Writes V8's code of the chunks beside them. V8 compiles a function only when it runs. So this process runs commands, a list of words each in the JSON
 * that it gets, and keeps what V8 compiled, except for chunks whose code another process has written. Commands that keep running stop at the end, as they
 * would at a signal.
 */
'use strict';

const { existsSync, writeFileSync } = require('node:fs');
const v8 = require('node:v8');
const { loadProgram } = require('./load-program.cjs');

const [, , directory, commands] = process.argv;
// V8 drops the code of a function that has not run for a while.
v8.setFlagsFromString('--no-flush-bytecode');
const scripts = [];
const program = loadProgram(directory, (filename, script) => scripts.push({ filename, script }));

async function run() {
  for (const words of JSON.parse(commands)) {
    process.argv.splice(2, Infinity, ...words);
    const code = (await program.runProgram()) ?? process.exitCode ?? 0;
    if (code > 0) throw new Error(`${words.join(' ')} ended with ${code}`);
  }
  // A start with one command declares no others.
  program.createProgram();
  process.emit('SIGTERM', 'SIGTERM');
}

process.on('exit', () => {
  v8.setFlagsFromString('--flush-bytecode');
  v8.setFlagsFromString('--semi-space-growth-factor=2');
  for (const { filename, script } of scripts) {
    const cache = `${filename}.cache`;
    if (!existsSync(cache)) writeFileSync(cache, script.createCachedData());
  }
});
void run();
