import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { it } from '@jest/globals';
import { LEFT_OUT } from '../backends/left-out.ts';
import { uniqueName } from '../backends/unique-name.ts';

const RELAY = fileURLToPath(new URL('./network-relay.ts', import.meta.url));
const NODE = fileURLToPath(new URL('../../../node_modules/.bin/node', import.meta.url));

/** Runs `ip`. @throws with its message if it fails */
function ip(...words: readonly string[]): void {
  const { status, stderr, error } = spawnSync('ip', words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${words.join(' ')}: ${error?.message ?? stderr}`);
}

/** A machine of a `Network`: a network namespace with one address and its own loopback. */
export class Host {
  readonly namespace: string;
  readonly address: string;
  readonly #relay: ChildProcess;

  constructor(namespace: string, address: string) {
    this.namespace = namespace;
    this.address = address;
    const [command = '', ...words] = this.command([NODE, '--no-warnings', RELAY]);
    this.#relay = spawn(command, words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  /** The command line that runs a program on this host. */
  command(line: readonly string[]): readonly string[] {
    return ['ip', 'netns', 'exec', this.namespace, ...line];
  }

  /** Makes a port of the host's loopback reachable at the same port of this machine's loopback. */
  async reach(port: number): Promise<void> {
    const listener = createServer();
    listener.listen(port, '127.0.0.1');
    await once(listener, 'listening');
    const accepted = once(this.#relay, 'message');
    this.#relay.send(port, listener);
    await accepted;
    listener.close();
  }

  close(): void {
    this.#relay.kill();
  }
}

/**
 * Hosts that are connected by a switch, each in a network namespace. The switch is a bridge in another one, so no interface of this machine takes part. A host that
 * is cut off keeps its link, and its packets vanish.
 */
export class Network {
  readonly hosts: readonly Host[] = [];
  readonly #switch = uniqueName('qm-net');

  /** @throws if no network namespace can be made here */
  static of(hosts: number): Network {
    const network = new Network();
    try {
      network.#build(hosts);
    } catch (error) {
      network.remove();
      throw error;
    }
    return network;
  }

  /** Cuts the host off: from now on no packet of it arrives, and none reaches it. */
  cut(host: Host): void {
    ip('-n', this.#switch, 'link', 'set', this.#portOf(host), 'nomaster');
  }

  heal(host: Host): void {
    ip('-n', this.#switch, 'link', 'set', this.#portOf(host), 'master', 'bridge');
  }

  remove(): void {
    for (const host of this.hosts) host.close();
    for (const namespace of [...this.hosts.map((host) => host.namespace), this.#switch])
      spawnSync('ip', ['netns', 'delete', namespace]);
  }

  #build(hosts: number): void {
    const own = ['-n', this.#switch];
    ip('netns', 'add', this.#switch);
    ip(...own, 'link', 'add', 'bridge', 'type', 'bridge');
    ip(...own, 'link', 'set', 'bridge', 'up');
    for (let n = 1; n <= hosts; n += 1) {
      const namespace = `${this.#switch}-${n}`;
      const inside = ['-n', namespace];
      ip('netns', 'add', namespace);
      const host = new Host(namespace, `10.0.0.${n}`);
      (this.hosts as Host[]).push(host);
      const port = this.#portOf(host);
      ip(...own, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
      ip(...own, 'link', 'set', port, 'master', 'bridge', 'up');
      ip(...inside, 'link', 'set', 'lo', 'up');
      ip(...inside, 'address', 'add', `${host.address}/24`, 'dev', 'eth0');
      ip(...inside, 'link', 'set', 'eth0', 'up');
    }
  }

  #portOf({ address }: Host): string {
    return `port${address.slice(address.lastIndexOf('.') + 1)}`;
  }
}

function canBuild(): boolean {
  try {
    Network.of(0).remove();
    return true;
  } catch {
    return false;
  }
}

const isRequired = process.env['BACKENDS'] === 'required';
const isPossible = isRequired || canBuild();
/** `it` if network namespaces can be made, or if the run requires all backends: it then fails with the reason. Otherwise the test is skipped and reported. */
export const itOnNetwork = isPossible ? it : it.skip;
export const withoutNetwork = isPossible
  ? ''
  : ` (${LEFT_OUT}no network namespace can be made here)`;
