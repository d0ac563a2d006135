import type { RotationConnection, RotationTarget } from '../../ports/rotation-target.ts';
import { parseOptions } from '../parse-options.ts';
import { unknownStrategy } from '../unknown-strategy.ts';
import { generatedOptions, keyPairOptions } from './config.ts';
import { MadeKeyPair } from './made-key-pair.ts';
import { MadeTarget } from './made-target.ts';
import { MadeTexts } from './made-texts.ts';

const STRATEGIES: Readonly<Record<string, (options: unknown) => RotationTarget>> = {
  generated: (options) => new MadeTarget(new MadeTexts(parseOptions(generatedOptions, options))),
  'key-pair': (options) => new MadeTarget(new MadeKeyPair(parseOptions(keyPairOptions, options))),
};

/** The connection that is always there: values that are made here and that nobody else has to be told of. */
export function connectGenerated(): RotationConnection {
  return {
    name: 'generated',
    kind: 'generated',
    target(strategy, options) {
      const attach = Object.hasOwn(STRATEGIES, strategy) ? STRATEGIES[strategy] : undefined;
      if (attach === undefined) throw unknownStrategy(Object.keys(STRATEGIES));
      return attach(options);
    },
  };
}
