import { systemClock } from '../../../src/process/clock.ts';
import { createLog } from '../../../src/process/log.ts';

/**
 * Logs `count` lines to standard output, a few in each turn of the event loop, and tells its parent. At the next message it ends: with `exit` at once,
 * otherwise after one more line.
 */
const count = Number(process.argv[2]);
const log = createLog({ level: 'info', clock: systemClock });
const TEXT = 'x'.repeat(200);

let logged = 0;
function logSome(): void {
  const end = Math.min(count, logged + 50);
  for (; logged < end; logged += 1) log.info({ line: logged }, TEXT);
  if (logged < count) setImmediate(logSome);
  else process.send?.({ logged });
}

process.once('message', (how) => {
  if (how === 'exit') process.exit(0);
  log.info({ line: count }, 'the last line');
  process.disconnect();
});
logSome();
