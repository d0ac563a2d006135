import type { LogReader } from '../log/log-reader.ts';
import type { Integrator } from '../log/integrator.ts';

interface SizedLog {
  readonly integrator: Pick<Integrator, 'status'>;
  readonly reader: Pick<LogReader, 'size'>;
}

/** Reads the number of entries under the last checkpoint. A standby appends nothing, so it knows only the checkpoint of its start and asks the store. */
export async function readLogSize({ integrator, reader }: SizedLog): Promise<number> {
  const { state, size } = integrator.status();
  return state === 'standby' ? reader.size() : size;
}
