/*
 * Starts the program with failpoints (failpoint-main.ts) as scripts/quaymaster.cjs starts the program: V8's compiled code of each chunk is beside it.
 * With WRITE_COMPILED in its environment, the process writes that code at its end, with every function that it has called.
 */
'use strict';

const { writeFileSync } = require('node:fs');
const path = require('node:path');
const { loadProgram } = require('../../../scripts/load-program.cjs');

const CHUNKS = path.join(__dirname, '../../../dist/failpoints/chunks');

function writeCompiled(filename, script) {
  process.on('exit', () => writeFileSync(`${filename}.cache`, script.createCachedData()));
}

const isWriting = process.env.WRITE_COMPILED !== undefined;
void loadProgram(CHUNKS, isWriting ? writeCompiled : undefined).runProgram();
