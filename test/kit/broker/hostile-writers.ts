import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { ImageSigner } from '../images/image-signer.ts';

/** Pushes of one round, by writers that never wait longer than they must. */
export interface HostileRound {
  /** Server instead of the broker. */
  readonly url?: string;
  readonly reports: number;
  readonly attestations: number;
}

/** Numbers of answers by kind and status. */
export type Answers = Readonly<Record<string, number>>;

interface Target {
  readonly url: string;
  readonly tokens: readonly string[];
}

const PLACE = '/api/v1';
/** Pushes of each writer at the same moment: more than the threads of the broker let wait. */
const IN_FLIGHT = 8;
const digestOf = (n: number): string => `sha256:${n.toString(16).padStart(64, '0')}`;

/** Writers of reports and attestations that cost as much as the formats allow, in a thread of their own. */
export class HostileWriters {
  readonly #worker: Worker;

  constructor(target: Target) {
    this.#worker = new Worker(new URL(import.meta.url), { workerData: target });
  }

  push(round: HostileRound): Promise<Answers> {
    const { promise, resolve, reject } = Promise.withResolvers<Answers>();
    this.#worker.once('message', resolve).once('error', reject);
    this.#worker.postMessage(round);
    return promise.finally(() => this.#worker.off('error', reject));
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

/**
 * A server that reads the bodies of a share of the pushes, refuses the others before it reads theirs, and does nothing else. It answers at the pace of the
 * broker, so that the same writers cost the machine what they cost it beside the broker.
 */
export class IdleServer {
  readonly #server: Server;
  readonly #timers = new Set<NodeJS.Timeout>();
  #next = 0;
  #answered = 0;

  private constructor(read: number, perSecond: number) {
    this.#server = createServer((request, response) => {
      this.#next = Math.max(this.#next, performance.now()) + 1_000 / perSecond;
      this.#answered += 1;
      const isRead = Math.floor(this.#answered * read) > Math.floor((this.#answered - 1) * read);
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        answer(request, response, isRead);
      }, this.#next - performance.now());
      this.#timers.add(timer);
    });
  }

  /** @param read share of the pushes whose bodies are read */
  static async start(read: number, perSecond: number): Promise<IdleServer> {
    const idle = new IdleServer(read, perSecond);
    await new Promise<void>((done) => idle.#server.listen(0, '127.0.0.1', done));
    return idle;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

function answer(request: IncomingMessage, response: ServerResponse, isRead: boolean): void {
  if (isRead) {
    request.resume().once('end', () => response.writeHead(409).end());
    return;
  }
  response.writeHead(503, { connection: 'close' }).end(() => request.destroy());
}

/** A report of 50,000 findings, of another scanner each time. */
function report(at: number): object {
  const affects = Array.from({ length: 50_000 }, (_, part) => ({
    ref: `p${part}`,
  }));
  const text = JSON.stringify({
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    metadata: { tools: { components: [{ name: `tool-${at}` }] } },
    vulnerabilities: [{ id: 'CVE-2026-1', ratings: [{ severity: 'low' }], affects }],
  });
  return { report: text, image: [digestOf(at % 100)] };
}

/** A statement of many small objects, as many as it may have in one of twelve, or one with a certificate of many small values. */
function attestation(signer: ImageSigner, at: number): object {
  const length = at % 12 === 0 ? 24_000 : 2_400;
  const list = Array.from({ length }, (_, part) => ({
    a: { [`b${part}`]: [part] },
  }));
  const bundle = signer.bundle(digestOf(at % 100), 'https://example.test/scan', { at, list });
  if (at % 4 !== 3) return { attestation: bundle };
  const certificate = {
    rawBytes: Buffer.alloc(40_000, Buffer.from([5, 0])).toString('base64'),
  };
  return { attestation: { ...bundle, verificationMaterial: { certificate } } };
}

/** The status. A broker that refuses a push before it has read its body may close the connection while the body is sent. */
async function push(url: string, request: RequestInit): Promise<number | 'closed'> {
  try {
    const answer = await fetch(url, { ...request, method: 'POST' });
    await answer.arrayBuffer();
    return answer.status;
  } catch {
    return 'closed';
  }
}

async function pushAll({ url: broker, tokens }: Target, round: HostileRound): Promise<Answers> {
  const { url = broker } = round;
  const signer = new ImageSigner();
  const bodies = {
    evidence: Array.from({ length: Math.min(10, round.reports) }, (_, at) =>
      JSON.stringify(report(at)),
    ),
    attestations: Array.from({ length: Math.min(12, round.attestations) }, (_, at) =>
      JSON.stringify(attestation(signer, at)),
    ),
  };
  const left = { evidence: round.reports, attestations: round.attestations };
  const answers: Record<string, number> = {};
  const writer = async (token: string): Promise<void> => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
    };
    for (;;) {
      const kind = left.evidence > left.attestations / 2 ? 'evidence' : 'attestations';
      if (left[kind] <= 0) return;
      left[kind] -= 1;
      const body = bodies[kind][left[kind] % bodies[kind].length]!;
      const name = `${kind} ${await push(`${url}${PLACE}/${kind}`, { headers, body })}`;
      answers[name] = (answers[name] ?? 0) + 1;
    }
  };
  await Promise.all(
    tokens.flatMap((token) => Array.from({ length: IN_FLIGHT }, () => writer(token))),
  );
  return answers;
}

if (!isMainThread && (workerData as Target | undefined)?.tokens !== undefined) {
  parentPort?.on('message', (round: HostileRound) => {
    void pushAll(workerData as Target, round).then((answers) => parentPort?.postMessage(answers));
  });
}
