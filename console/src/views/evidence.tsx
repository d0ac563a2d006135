import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { useAttempt } from '../attempt.ts';
import { BUILD, call, type Schema } from '../client.ts';
import { brokerNow } from '../clock.ts';
import { saveFile } from '../download.ts';
import { Problem } from '../parts.tsx';

type Incident = Schema<'Incident'>;
type Proof = Schema<'EntryProof'>;

/** Entries whose proofs a bundle has: the newest. Each proof is a request, and is recorded. */
const MOST_PROOFS = 300;
/** Proofs that are asked for at once. */
const AT_ONCE = 4;

/** Saves the incident with the proof of each of its entries, and the key of the log: a person can verify it without the broker. */
export function ExportEvidence({
  id,
  incident,
}: {
  readonly id: string;
  readonly incident: Incident;
}): JSX.Element {
  const [done, setDone] = useState(0);
  const { error, isRunning, attempt } = useAttempt();
  const indexes = entriesOf(incident);
  const chosen = indexes.slice(-MOST_PROOFS);
  const run = async (): Promise<void> => {
    setDone(0);
    const logKey = await call('readLogKey');
    const proofs: Proof[] = [];
    for (let at = 0; at < chosen.length; at += AT_ONCE) {
      const part = chosen.slice(at, at + AT_ONCE);
      const found = await Promise.all(part.map((index) => call('proveEntry', { path: { index } })));
      proofs.push(...found);
      setDone(proofs.length);
    }
    const bundle = {
      incident,
      proofs,
      unproven: indexes.length - chosen.length,
      logKey,
      exported: { at: new Date(brokerNow()).toISOString(), from: location.origin, build: BUILD },
    };
    const bytes = new TextEncoder().encode(JSON.stringify(bundle, undefined, 2));
    saveFile(`incident-${id}.json`, bytes, 'application/json');
  };
  return (
    <div class="stack">
      <button type="button" disabled={isRunning} onClick={() => void attempt(run)}>
        {isRunning ? `Reading proofs: ${done} of ${chosen.length}` : 'Export the evidence'}
      </button>
      <p class="quiet">
        One file of JSON: the incident, the proof of each of its entries, and the key of the log. It
        has no value of a secret.
        {indexes.length > chosen.length && ` Proofs of the newest ${MOST_PROOFS} entries only.`}
      </p>
      {error !== undefined && <Problem error={error} />}
    </div>
  );
}

/** The entries that the incident names, in the order of the log. */
function entriesOf({ timeline, secrets }: Incident): readonly number[] {
  const all = [
    ...timeline.map(({ index }) => index),
    ...secrets.flatMap(({ lastIndex }) => (lastIndex === undefined ? [] : [lastIndex])),
  ];
  return [...new Set(all)].sort((a, b) => a - b);
}
