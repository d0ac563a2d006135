/*
 * Writes V8's code of the agent beside it. V8 compiles a function only when it runs. So this starts the agent against a closed
 * port, where it finds no broker, and keeps what V8 compiled until then.
 */
'use strict';

const { readFileSync, writeFileSync } = require('node:fs');
const { Script } = require('node:vm');

const [, , filename, ...words] = process.argv;
process.argv.splice(2, Infinity, 'agent', ...words);
// The text must be that of quaymaster.cjs: V8 accepts cached code only for the same source.
const source = `(function (require) {${readFileSync(filename, 'latin1')}\n})`;
const script = new Script(source, { filename });
process.on('exit', () => writeFileSync(`${filename}.cache`, script.createCachedData()));
script.runInThisContext()(require);
