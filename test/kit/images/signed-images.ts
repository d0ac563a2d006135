import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from '../backends/run-tool.ts';
import type { Signing } from '../backends/signing.ts';
import { uniqueName } from '../backends/unique-name.ts';

/** The two keys of a suite. */
export type Signer = 'ci' | 'other';
/** A Sigstore bundle, as cosign 3 writes it, or the signature under a tag that cosign 2 wrote. */
export type SignatureForm = 'bundle' | 'legacy';

const LEGACY = ['--new-bundle-format=false', '--use-signing-config=false', '--tlog-upload=false'];
const BUNDLE = ['--signing-config', 'none.json'];

/** Images of a repository of its own in the registry of the backend `cosign`, and the real cosign with two keys. */
export class SignedImages {
  readonly repository: string;
  /** The public keys, in PEM. */
  readonly keys: Readonly<Record<Signer, string>>;
  readonly #signing: Signing;
  readonly #directory: string;

  private constructor(signing: Signing, directory: string, keys: Readonly<Record<Signer, string>>) {
    this.repository = `${signing.registry}/${uniqueName('prod')}/web`;
    this.keys = keys;
    this.#signing = signing;
    this.#directory = directory;
  }

  static async make(signing: Signing): Promise<SignedImages> {
    const directory = await mkdtemp(join(signing.directory, 'signed-'));
    const cosign = (...args: readonly string[]): Promise<string> =>
      call({ program: signing.cosign, directory }, args);
    for (const name of ['ci', 'other'])
      await cosign('generate-key-pair', '--output-key-prefix', name);
    await cosign('signing-config', 'create', '--out', 'none.json');
    const keyOf = (name: Signer): Promise<string> =>
      readFile(join(directory, `${name}.pub`), 'utf8');
    return new SignedImages(signing, directory, {
      ci: await keyOf('ci'),
      other: await keyOf('other'),
    });
  }

  /** Pushes an image that no other call pushes, with a tag. @returns its digest */
  async push(tag: string): Promise<string> {
    const name = uniqueName('image');
    await mkdir(join(this.#directory, name));
    await writeFile(join(this.#directory, name, 'app'), name);
    const layer = `${name}.tar`;
    await this.#run('tar', '-cf', layer, '-C', name, '.');
    await this.#crane('append', '-f', layer, '-t', `${this.repository}:${tag}`);
    return this.#crane('digest', `${this.repository}:${tag}`);
  }

  /** Signs an image of this repository by its digest, or any image of the registry by its whole name. */
  async sign(digest: string, form: SignatureForm, by: Signer = 'ci'): Promise<void> {
    await this.#cosign('sign', by, [...(form === 'bundle' ? BUNDLE : LEGACY), this.#at(digest)]);
  }

  /** Attests a predicate of one of the types that cosign knows, as a bundle. */
  async attest(digest: string, type: string, predicate: object): Promise<void> {
    const file = `${uniqueName('predicate')}.json`;
    await writeFile(join(this.#directory, file), JSON.stringify(predicate));
    const about = ['--type', type, '--predicate', file];
    await this.#cosign('attest', 'ci', [...BUNDLE, ...about, this.#at(digest)]);
  }

  /** Copies the signatures of one image to the place of another's signatures. */
  async copySignatures(from: string, to: string): Promise<void> {
    const tagOf = (digest: string): string => `${this.repository}:${digest.replace(':', '-')}`;
    for (const suffix of ['', '.sig']) {
      await this.#crane('copy', `${tagOf(from)}${suffix}`, `${tagOf(to)}${suffix}`);
    }
  }

  remove(): Promise<void> {
    return rm(this.#directory, { recursive: true });
  }

  #at(digest: string): string {
    return digest.includes('@') ? digest : `${this.repository}@${digest}`;
  }

  async #cosign(verb: string, by: Signer, args: readonly string[]): Promise<void> {
    const offline = ['--yes', '--key', `${by}.key`, '--allow-http-registry'];
    await this.#run(this.#signing.cosign, verb, ...offline, ...args);
  }

  #crane(...args: readonly string[]): Promise<string> {
    return this.#run(this.#signing.crane, '--insecure', ...args);
  }

  #run(program: string, ...args: readonly string[]): Promise<string> {
    return call({ program, directory: this.#directory }, args);
  }
}

/** Runs a program, which must succeed. @returns its output */
async function call(tool: Parameters<typeof runTool>[0], args: readonly string[]): Promise<string> {
  const run = { cwd: tool.directory, env: { COSIGN_PASSWORD: '' } };
  const { code, stdout, stderr } = await runTool(tool, args, run);
  if (code !== 0) throw new Error(`${tool.program} ${args.join(' ')}: ${code} ${stderr}`);
  return stdout.trim();
}
