import { ApiError } from '../../client/index.ts';
import type { Source } from '../reports/source.ts';
import type { CliContext } from './context.ts';
import { refusalText } from '../output/failure.ts';
import type { Broker } from './broker.ts';

/** The answers of a broker for the reports. */
export function sourceOf(broker: Broker, output?: Pick<CliContext['output'], 'progress'>): Source {
  return {
    call: async (id, ...input) => (await broker.call(id, ...input)).body,
    refusalOf: (thrown) => {
      if (!(thrown instanceof ApiError)) return undefined;
      const [text = ''] = refusalText(thrown, []).split('\n');
      return { code: thrown.code, text };
    },
    progress: (text) => output?.progress(text),
  };
}
