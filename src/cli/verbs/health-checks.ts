import { ApiError, UnreachableError, type components, type ItemOf } from '../../client/index.ts';
import { allPages, askedOnce, callWith, type Broker } from '../connection/broker.ts';
import { refusalText } from '../output/failure.ts';

export type Mount = ItemOf<'listMounts'>;

/** The value of a part, or why the caller cannot see it. */
export type IfAllowed<T> = { readonly value: T } | { readonly unseen: string };

/** A part that the caller may not see is shown as unseen, and never as empty. Other errors end the command. */
export async function readIfAllowed<T>(read: () => Promise<T>): Promise<IfAllowed<T>> {
  try {
    return { value: await read() };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const [line = ''] = refusalText(error, []).split('\n');
    return { unseen: line };
  }
}

/** Reads parts of the broker until the deadline. A part without an answer is shown as unseen. */
export async function readInTime<T>(read: () => Promise<T>): Promise<IfAllowed<T>> {
  try {
    return await readIfAllowed(read);
  } catch (error) {
    const { name, message } = error as Error;
    if (error instanceof UnreachableError) return { unseen: message };
    if (name === 'TimeoutError') return { unseen: 'no answer in time' };
    throw error;
  }
}

export type Readiness = components['schemas']['Readiness'];

/** Reasons with which the broker refuses every further question. */
const SILENT: readonly string[] = ['ERR_SEALED', 'ERR_STORE_UNAVAILABLE', 'starting'];

/** The reason why a broker is asked nothing else; undefined if it answers some questions. */
export function silenceOf({ reasons }: Readiness): string | undefined {
  const reason = reasons.find((each) => SILENT.includes(each));
  return reason && `not asked, because the broker answers ${reason}`;
}

/** Asks a sealed broker why: operators that it knew before learn who sealed it, when and why. Undefined if it is not sealed. */
export async function readSeal(
  broker: Broker,
  { reasons }: Readiness,
): Promise<string | undefined> {
  if (!reasons.includes('ERR_SEALED')) return undefined;
  const answer = await readInTime(() => readStatus(askedOnce(broker)));
  return 'unseen' in answer ? answer.unseen : undefined;
}

export type BrokerStatus = components['schemas']['BrokerStatus'];
export type LogStatus = components['schemas']['LogStatus'];

export async function readStatus(broker: Broker): Promise<BrokerStatus> {
  return (await broker.call('readStatus')).body;
}

export function readMounts(broker: Broker): Promise<readonly Mount[]> {
  return allPages(broker, 'listMounts', { query: { limit: 1000 } });
}

/** Checks that the backend of a mount allows what the mount needs. */
export async function checkMount(
  broker: Broker,
  name: string,
): Promise<components['schemas']['CheckReport']> {
  return (await callWith(broker, 'checkMount', { path: { name } })).body;
}
