#!/usr/bin/env node
/*
 * The program's entry. The agent starts in every pod, so it has a way of its own: one CommonJS file, whose compiled code lies beside it (made
 * by scripts/bundle.ts). Not Node's compile cache: that is a directory per user id, and pods choose theirs. A cache of another Node is
 * rejected by V8 and does no harm. docs/measurements/agent.md has what each of these saves.
 */
'use strict';

const NODE = 24;

if (parseInt(process.version.slice(1), 10) < NODE) refuseOldNode();
else if (process.argv[2] === 'agent') startAgent();
else startProgram();

/** What it lacks would show in the middle of something. */
function refuseOldNode() {
  process.stderr.write(
    `quaymaster needs Node ${NODE}, and this is ${process.version}. npm ci brings one: npx node dist/quaymaster.cjs …\n`,
  );
  process.exitCode = 1;
}

function startAgent() {
  const { readFileSync } = require('node:fs');
  const { Script } = require('node:vm');
  const filename = `${__dirname}/agent.cjs`;
  const source = `(function (require) {${readFileSync(filename, 'latin1')}\n})`;
  new Script(source, {
    filename,
    cachedData: cachedCode(readFileSync, filename),
  }).runInThisContext()(require);
}

function cachedCode(readFileSync, filename) {
  try {
    return readFileSync(`${filename}.cache`);
  } catch {
    return undefined;
  }
}

async function startProgram() {
  const { loadProgram } = require('./load-program.cjs');
  const code = await loadProgram(`${__dirname}/program/chunks`).runProgram();
  if (code !== undefined) process.exit(code);
}
