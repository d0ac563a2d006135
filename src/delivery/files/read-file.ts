import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';

const { O_NONBLOCK, O_RDONLY } = constants;

export interface SmallFile {
  readonly text: string;
  readonly found: Stats;
}

/** It is there, and is no file to read from. Its code is words, as codes of the system are. */
class UnsuitableFile extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/**
 * A small file that somebody else writes. A pipe that nobody writes to would keep open(2) for ever, and a device would never end.
 * @throws an error whose `code` says why: the system's, or that it is no regular file, or longer than `mostBytes`
 */
export function readSmallFile(path: string, mostBytes: number): SmallFile {
  const fd = openSync(path, O_RDONLY | O_NONBLOCK);
  try {
    const found = fstatSync(fd);
    if (!found.isFile()) throw new UnsuitableFile('not a regular file');
    return { text: textOf(fd, mostBytes), found };
  } finally {
    closeSync(fd);
  }
}

function textOf(fd: number, mostBytes: number): string {
  const buffer = Buffer.alloc(mostBytes + 1);
  let length = 0;
  for (;;) {
    const read = readSync(fd, buffer, length, buffer.length - length, null);
    if (read === 0) return buffer.toString('utf8', 0, length);
    length += read;
    if (length > mostBytes) throw new UnsuitableFile(`longer than ${mostBytes} bytes`);
  }
}
