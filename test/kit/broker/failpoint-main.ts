import { parseArgs } from 'node:util';
import { systemClock } from '../../../src/process/clock.ts';
import { ConfigReload } from '../../../src/program/broker/config-reload.ts';
import { onSignals } from '../../../src/program/serving/on-signals.ts';
import { serve } from '../../../src/program/serving/serve.ts';
import { loadConfig } from '../../../src/program/config/load.ts';
import { createLog } from '../../../src/process/log.ts';
import { fastClock } from '../time/fast-clock.ts';
import { Failpoints } from './failpoints.ts';

/** `serve` with failpoints from the file `--failpoint`, and a clock with another speed: `--clock <epoch>x<speed>`. */
const { values } = parseArgs({
  options: {
    config: { type: 'string', default: '' },
    failpoint: { type: 'string', default: '' },
    clock: { type: 'string' },
  },
});
export async function runProgram(): Promise<void> {
  const [epoch = 0, speed = 1] = (values.clock ?? '').split('x').map(Number);
  const clock = values.clock === undefined ? systemClock : fastClock(epoch, speed);
  const failpoints = new Failpoints(values.failpoint);
  const config = await loadConfig(values.config);
  const log = createLog({ level: config.log.level, clock });
  // A clock with another speed restarts at each start, often behind the log of the previous start.
  const trustClock = values.clock !== undefined;
  const reload = new ConfigReload(config, { load: () => loadConfig(values.config), clock, log });
  const failpoint = failpoints.commit;
  const serving = await serve(config, { clock, log, trustClock, reload, failpoint });
  failpoints.watch(serving.broker.parts.store);
  onSignals(serving, log);
}
