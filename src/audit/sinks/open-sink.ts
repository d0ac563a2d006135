import type { Writable } from 'node:stream';
import type { Clock } from '../../ports/clock.ts';
import type { SinkConfig } from '../base/config.ts';
import type { Sink } from './sink.ts';
import { FileSink } from './file.ts';
import { HttpSink } from './http.ts';
import { StreamSink } from './stdout.ts';
import { SyslogSink } from './syslog.ts';

/** Opens a sink. `stdout`: the standard output of the process. */
export function openSink(config: SinkConfig, stdout: Writable, clock: Clock): Sink {
  switch (config.type) {
    case 'file':
      return new FileSink(config.path);
    case 'stdout':
      return new StreamSink('stdout', stdout);
    case 'http':
      return new HttpSink(config, clock);
    case 'syslog':
      return new SyslogSink(config, clock);
  }
}
