/*
 * Loads the program from its chunks in `dist/program/chunks`, each file with V8's compiled code beside it. An `import()` of the source is a chunk that is
 * loaded when it runs. Chunks are CommonJS: Node's ESM loader costs 25 ms and 8 MB, and takes no code from a file.
 */
'use strict';

const { readFileSync } = require('node:fs');
const path = require('node:path');
const v8 = require('node:v8');
const { Script } = require('node:vm');

/**
 * Loads the program.
 * @returns the exports of `src/program/program.ts`. `compiled` is called with each file before it runs.
 */
exports.loadProgram = function (directory, compiled = () => {}) {
  const modules = new Map();
  const functions = new Map();
  /** Adds the functions of a file: one chunk, or a pack of chunks (scripts/packs.ts). */
  const addFile = (name) => {
    const filename = path.join(directory, name);
    const text = readFileSync(filename, 'latin1');
    const isPack = text.startsWith('({');
    const source = isPack
      ? text
      : `(function (require, module, exports, __filename, __dirname) {${text}\n})`;
    const cachedData = cachedCode(filename);
    const script = underUsualFlags(() => new Script(source, { filename, cachedData }));
    compiled(filename, script);
    const value = script.runInThisContext();
    if (!isPack) return functions.set(name, value);
    if (value.after !== undefined && !functions.has(value.after)) addFile(value.after);
    for (const each in value.functions) functions.set(each, value.functions[each]);
  };
  const load = (name) => {
    const known = modules.get(name);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    modules.set(name, module);
    if (!functions.has(name)) addFile(name);
    functions.get(name)(requireFrom, module, module.exports, path.join(directory, name), directory);
    return module.exports;
  };
  const requireFrom = (name) => {
    if (name.startsWith('./')) return load(name.slice(2));
    return name.endsWith(COMPILED_SQLITE) ? requireSqlite() : underUsualFlags(() => require(name));
  };
  return load('program.cjs');
};

/**
 * V8 takes compiled code only under the flags under which it was written, also that of Node's own modules. A broker changes one flag
 * (src/process/lean-start.ts), so it has its usual value while V8 reads compiled code.
 */
const USUAL = '--semi-space-growth-factor=2';
const { setFlagsFromString } = v8;
let flags = USUAL;
v8.setFlagsFromString = (text) => setFlagsFromString((flags = text));

function underUsualFlags(work) {
  if (flags === USUAL) return work();
  const changed = flags;
  v8.setFlagsFromString(USUAL);
  try {
    return work();
  } finally {
    v8.setFlagsFromString(changed);
  }
}

/** File that better-sqlite3 loads if `prebuilds` has none for this platform. */
const COMPILED_SQLITE = 'better_sqlite3.node';

/** Loads SQLite from the package of this platform, of which npm installs one (scripts/program-package.ts). */
function requireSqlite() {
  const names = ['', 'musl'].map(
    (libc) => `@quaymaster/sqlite-${process.platform}${libc}-${process.arch}`,
  );
  for (const name of names) {
    try {
      return require(name);
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  const { version } = require('./package.json');
  const [name] = names.slice(isMusl() ? 1 : 0);
  const error = new Error(
    `install it: npm install ${name}@${version}; from the files of a release: npm install ./${name.slice(1).replace('/', '-')}-${version}.tgz`,
  );
  throw Object.assign(error, { code: 'no SQLite for this platform' });
}

/** Linux without the GNU C library, such as Alpine. */
function isMusl() {
  return process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime;
}

function cachedCode(filename) {
  try {
    return readFileSync(`${filename}.cache`);
  } catch {
    return undefined;
  }
}
