/*
 * Loads the program from its chunks in `dist/program/chunks`, each with V8's compiled code beside it. An `import()` of the source is a chunk that is
 * loaded when it runs. Chunks are CommonJS: Node's ESM loader costs 25 ms and 8 MB, and takes no code from a file.
 */
'use strict';

const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { Script } = require('node:vm');

/**
 * Loads the program.
 * @returns the exports of `src/program/program.ts`. `compiled` is called with each chunk before it runs.
 */
exports.loadProgram = function (directory, compiled = () => {}) {
  const modules = new Map();
  const load = (filename) => {
    const known = modules.get(filename);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    modules.set(filename, module);
    const source = `(function (require, module, exports, __filename, __dirname) {${readFileSync(filename, 'latin1')}\n})`;
    const script = new Script(source, { filename, cachedData: cachedCode(filename) });
    compiled(filename, script);
    script.runInThisContext()(requireFrom, module, module.exports, filename, directory);
    return module.exports;
  };
  const requireFrom = (name) => {
    if (name.startsWith('./')) return load(join(directory, name));
    return name.endsWith(COMPILED_SQLITE) ? requireSqlite() : require(name);
  };
  return load(join(directory, 'program.cjs'));
};

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
