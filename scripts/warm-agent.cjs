/*
 * Writes V8's code of the agent beside it. What a start runs is compiled only when it runs, so this is a start: it finds no broker on a closed
 * port, and what it compiled until then is kept.
 */
'use strict';

const { readFileSync, writeFileSync } = require('node:fs');
const { Script } = require('node:vm');

const [, , filename, ...words] = process.argv;
process.argv.splice(2, Infinity, 'agent', ...words);
// The same text as in quaymaster.cjs: V8 keeps code for one source.
const source = `(function (require) {${readFileSync(filename, 'latin1')}\n})`;
const script = new Script(source, { filename });
process.on('exit', () => writeFileSync(`${filename}.cache`, script.createCachedData()));
script.runInThisContext()(require);
