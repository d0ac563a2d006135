import { closeSync, constants, fstatSync, openSync, readFile, readSync, type Stats } from 'node:fs';
import { promisify } from 'node:util';

const read = promisify(readFile);

/** A file as text. Not by `node:fs/promises`: that loads readline and the REPL's history, 4 ms of the start. */
export function readText(path: string): Promise<string> {
  return read(path, 'utf8');
}

const { O_NONBLOCK, O_RDONLY } = constants;

export interface SmallFile {
  readonly text: string;
  readonly stats: Stats;
}

/** The path exists but cannot be read as a small file. `code` says why in words, where errors of the system have a code. */
class UnsuitableFile extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/**
 * Reads a small file that another process writes. open(2) of a pipe without a writer would block for ever, and a device would
 * never end.
 * @throws an error whose `code` says why: the system's, or that it is not a regular file, or is longer than `mostBytes`
 */
export function readSmallFile(path: string, mostBytes: number): SmallFile {
  const fd = openSync(path, O_RDONLY | O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new UnsuitableFile('not a regular file');
    return { text: textOf(fd, mostBytes), stats };
  } finally {
    closeSync(fd);
  }
}

function textOf(fd: number, mostBytes: number): string {
  const buffer = Buffer.alloc(mostBytes + 1);
  let length = 0;
  for (;;) {
    const got = readSync(fd, buffer, length, buffer.length - length, null);
    if (got === 0) return buffer.toString('utf8', 0, length);
    length += got;
    if (length > mostBytes) throw new UnsuitableFile(`longer than ${mostBytes} bytes`);
  }
}
