#!/usr/bin/env node
/*
 * Entry of the program. The agent starts in every pod, so it is one CommonJS file of its own, and its compiled code lies beside
 * it (scripts/bundle.ts makes it). Node's compile cache does not serve: it is one directory for each user id, and pods choose
 * their user ids. V8 rejects a cache of another Node and compiles again. internals/measurements/agent.md has the gain of each of
 * these.
 */
'use strict';

const NODE = 24;

if (parseInt(process.version.slice(1), 10) < NODE) refuseOldNode();
else if (process.argv[2] === 'agent') startAgent();
else void startProgram();

/** Refuses an older Node, which would fail later, in the middle of a command. */
function refuseOldNode() {
  process.stderr.write(
    `quaymaster needs Node ${NODE}, and this is ${process.version}. In a checkout: npx node dist/quaymaster.cjs …; elsewhere: npx -p node@${NODE} -p quaymaster quaymaster …\n`,
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
