import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { BrokerError } from '../../domain/errors.ts';

/** `npm run build:console` writes the files; `dist` has a copy of them at the same relative path. */
const BUILT = new URL('../../console/built/', import.meta.url);

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** A file in each encoding that the build made. */
export interface ConsoleFile {
  readonly type: string;
  readonly plain: Buffer;
  readonly gzip: Buffer;
  readonly br: Buffer;
}

/** The files of the console, in memory: a request cannot reach the file system. */
export class ConsoleFiles {
  /** The page that every address of the console gets. It names its scripts by their hashes. */
  readonly page: Buffer;
  /** Name of this build: the page and the broker compare it, to notice a page of an older build. */
  readonly build: string;
  readonly #assets: ReadonlyMap<string, ConsoleFile>;

  private constructor(page: Buffer, build: string, assets: ReadonlyMap<string, ConsoleFile>) {
    this.page = page;
    this.build = build;
    this.#assets = assets;
  }

  static areBuilt(): boolean {
    return existsSync(new URL('index.html', BUILT));
  }

  /** @throws ERR_CONFIG_INVALID if the console was not built */
  static read(directory = BUILT): ConsoleFiles {
    try {
      const page = readFileSync(new URL('index.html', directory));
      const [, build = ''] = /name="build" content="([0-9a-f]+)"/.exec(page.toString()) ?? [];
      const names = readdirSync(new URL('assets/', directory));
      const assets = names
        .filter((name) => Object.hasOwn(TYPES, extname(name)))
        .map((name): [string, ConsoleFile] => [name, readAsset(directory, name)]);
      return new ConsoleFiles(page, build, new Map(assets));
    } catch (cause) {
      const detail = 'console.enabled: the files of the console are missing; run npm run build';
      throw new BrokerError('ERR_CONFIG_INVALID', detail, { cause });
    }
  }

  asset(name: string): ConsoleFile | undefined {
    return this.#assets.get(name);
  }
}

function readAsset(directory: URL, name: string): ConsoleFile {
  const read = (suffix: string): Buffer =>
    readFileSync(new URL(`assets/${name}${suffix}`, directory));
  return {
    type: TYPES[extname(name)] ?? '',
    plain: read(''),
    gzip: read('.gz'),
    br: read('.br'),
  };
}
