import { readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The link that the kubelet replaces when a mounted ConfigMap or Secret changes. */
const DATA_LINK = '..data';

/**
 * A file in a mounted ConfigMap or Secret of Kubernetes. All files of the mount change at once, by one rename of a link, so that a reader never
 * sees half of a change. A file elsewhere never counts as changed: an editor may have written only a part of it.
 */
export class MountedFile {
  readonly #link: string;
  #target: string | undefined;

  private constructor(path: string) {
    this.#link = join(dirname(path), DATA_LINK);
  }

  /** Remembers the current state of the mount: read the file after this call. */
  static async at(path: string): Promise<MountedFile> {
    const file = new MountedFile(path);
    file.#target = await file.#read();
    return file;
  }

  /** Reports whether the mount changed since the last call. */
  async hasChanged(): Promise<boolean> {
    const target = await this.#read();
    if (target === undefined || target === this.#target) return false;
    this.#target = target;
    return true;
  }

  async #read(): Promise<string | undefined> {
    try {
      return await readlink(this.#link);
    } catch {
      return undefined;
    }
  }
}
