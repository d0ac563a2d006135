import { systemClock } from '../../../process/clock.ts';
import { BrokerClient, CertificateFiles, UnusableCertificate } from '../../../client/index.ts';
import { randomFraction } from '../../../crypto/random/random.ts';
import { ClientAccess } from '../access/client-access.ts';
import { Agent } from '../agent.ts';
import type { AgentDeps } from '../agent-parts.ts';
import { outputsOf, type Settings } from '../../settings/settings.ts';
import { Deliveries } from '../../files/deliveries.ts';
import { ConfigError } from '../../failures.ts';
import { AgentLog } from '../agent-log.ts';
import { readToken } from '../read-token.ts';
import { readText } from '../../files/read-file.ts';

export interface BuiltAgent {
  readonly agent: Agent;
  readonly log: AgentLog;
  /** Closes everything. It must be called at the end, also after a failure. */
  readonly close: () => void;
}

type Options = Pick<AgentDeps, 'isResident' | 'child'>;

/** An agent with the real broker, clock and files. @throws ConfigError */
export async function buildAgent(settings: Settings, options: Options): Promise<BuiltAgent> {
  const clock = systemClock;
  const log = new AgentLog(settings.log.level, clock, (line) => void process.stderr.write(line));
  const certificate = certificateOf(settings, log);
  const client = await createClient(settings, certificate);
  const deliveries = await Deliveries.prepare(outputsOf(settings), { clock, log });
  const agent = new Agent(settings, {
    ...options,
    access: new ClientAccess(client, settings),
    readIdentity: async () =>
      Promise.resolve(
        settings.login === 'certificate' && certificate !== undefined
          ? certificate.current().cert
          : readToken(settings.tokenFile),
      ),
    deliveries,
    clock,
    random: randomFraction,
    log,
  });
  return {
    agent,
    log,
    close() {
      deliveries.close();
      client.close();
    },
  };
}

/** @throws ConfigError if the files cannot be used. Once they could, their former content stays in use when they cannot. */
function certificateOf({ broker }: Settings, log: AgentLog): CertificateFiles | undefined {
  const { clientCertFile: certFile, clientKeyFile: keyFile } = broker;
  if (certFile === undefined || keyFile === undefined) return undefined;
  const onProblem = (problem: string): void => log.warn({ problem }, 'client certificate');
  const files = new CertificateFiles({ certFile, keyFile, onProblem });
  try {
    files.current();
  } catch (error) {
    if (!(error instanceof UnusableCertificate)) throw error;
    throw new ConfigError('broker', [error.message]);
  }
  return files;
}

/** One attempt for each call: the agent decides about retries. */
async function createClient(
  { broker: { url, caFile, ca } }: Settings,
  certificate: CertificateFiles | undefined,
): Promise<BrokerClient> {
  const authority = caFile === undefined ? ca : await authorityIn(caFile);
  const clientCertificate = certificate && (() => certificate.current());
  const userAgent = 'quaymaster-agent';
  try {
    return new BrokerClient({ url, ca: authority, clientCertificate, tries: 1, userAgent });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new ConfigError('broker', [`/broker/url: ${error.message}`]);
  }
}

async function authorityIn(file: string): Promise<string> {
  try {
    return await readText(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new ConfigError('broker', [`/broker/caFile: ${file} cannot be read (${code})`]);
  }
}
