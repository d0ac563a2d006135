import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { useAttempt } from '../attempt.ts';
import { call, type Schema } from '../client.ts';
import { count } from '../format.ts';
import { kindOf } from '../kinds.ts';
import { DocumentLink, Fields, WorkloadLink } from '../navigation.tsx';
import { Command, List, Name, Page, Problem, Section, State, Time } from '../parts.tsx';
import { Permitted } from '../rights.tsx';
import { address, to } from '../router.ts';
import { useDocuments, usePages } from './pages.ts';

type Surveyed = Schema<'SurveyedPod'>;
type Profile = Schema<'PostureProfile'>;

const PROFILE = kindOf('posture-profile');
const MODES = { enforce: 'bad', warn: 'warn', audit: 'info' } as const;
/** Sessions of a page, and the most pages of a survey. */
const LIMIT = 200;
const PAGES = 25;

/** Profiles with the pods that fail them, and what the broker knows about images. */
export function Posture(): JSX.Element {
  const profiles = useDocuments(PROFILE);
  return (
    <Page title="Posture">
      <Section title="Profiles" note="What pods must be to get secrets.">
        <List
          {...profiles}
          label="Profiles"
          keyOf={({ name }) => name}
          empty="There is no posture profile: every pod may get secrets."
          columns={[
            {
              title: 'Profile',
              of: ({ name }) => <DocumentLink kind="posture-profile" name={name} />,
            },
            { title: 'Mode', of: ({ document }) => <Mode of={document as Profile} /> },
            {
              title: 'Pods that fail it',
              of: ({ name, document }) => (
                <Survey label={`Survey ${name}`} profile={() => document as Profile} />
              ),
            },
          ]}
        />
        <p class="quiet">
          To survey a draft, edit a profile: the editor shows who would fail before you save.
        </p>
        <Command words={['posture', 'survey', 'FILE']} />
      </Section>
      <Images />
    </Page>
  );
}

function Mode({ of: { mode } }: { readonly of: Profile }): JSX.Element {
  return <State tone={MODES[mode]}>{mode}</State>;
}

/** Asks the broker which pods that hold sessions fail a profile, which need not be saved. */
export function Survey({
  label,
  profile,
}: {
  readonly label: string;
  readonly profile: () => Profile;
}): JSX.Element {
  const [found, setFound] = useState<{
    readonly pods: readonly Surveyed[];
    readonly isWhole: boolean;
  }>();
  const { error, isRunning, attempt } = useAttempt();
  const run = async (): Promise<void> => {
    const pods = new Map<string, Surveyed>();
    let after: string | undefined;
    for (let page = 0; page < PAGES; page += 1) {
      const query = { limit: LIMIT, ...(after !== undefined && { after }) };
      const part = await call('surveyPosture', { query, body: profile() });
      for (const each of part.items) pods.set(each.pod.uid, each);
      after = part.next;
      setFound({ pods: [...pods.values()], isWhole: after === undefined });
      if (after === undefined) break;
    }
  };
  return (
    <div class="stack" role="status">
      <Permitted
        operation="surveyPosture"
        isSmall
        isDisabled={isRunning}
        onClick={() => void attempt(run)}
      >
        {isRunning ? 'Reading…' : label}
      </Permitted>
      {error !== undefined && <Problem error={error} />}
      {found !== undefined && <Failing pods={found.pods} isWhole={found.isWhole} />}
    </div>
  );
}

function Failing({
  pods,
  isWhole,
}: {
  readonly pods: readonly Surveyed[];
  readonly isWhole: boolean;
}): JSX.Element {
  const failing = pods.filter(({ met }) => !met);
  return (
    <>
      <p>
        <State tone={failing.length === 0 ? 'good' : 'bad'}>
          {failing.length} of {count(pods.length, 'pod')} {failing.length === 1 ? 'fails' : 'fail'}
        </State>
        {!isWhole && ' There are more sessions.'}
      </p>
      <ul class="plain">
        {failing.map(({ workload, pod, known, findings }) => (
          <li key={pod.uid}>
            <WorkloadLink workload={workload} /> <Name>{pod.name}</Name>
            {!known && <span class="quiet"> (the broker does not see it now)</span>}
            <ul class="lines">
              {findings
                .filter(({ status }) => status === 'fail' || status === 'unknown')
                .map(({ code, container, message }) => (
                  <li key={`${code} ${container ?? ''} ${message}`}>
                    <code>{code}</code> <bdi>{message}</bdi>
                  </li>
                ))}
            </ul>
          </li>
        ))}
      </ul>
    </>
  );
}

/** What scanners found, and signatures, by the digest of the image. */
function Images(): JSX.Element {
  const digest = address.value.query.get('image')?.trim() ?? '';
  const image = /^sha256:[0-9a-f]{64}$/.test(digest) ? digest : undefined;
  const evidence = usePages(
    `evidence ${image ?? ''}`,
    (after) =>
      call('listEvidence', {
        query: { limit: 100, ...(image !== undefined && { image }), ...after },
      }),
    ['evidence'],
    ({ id }) => id,
  );
  const attestations = usePages(
    `attestations ${image ?? ''}`,
    (after) =>
      call('listAttestations', {
        query: { limit: 100, ...(image !== undefined && { digest: image }), ...after },
      }),
    ['attestation'],
    ({ id }) => id,
  );
  return (
    <Section
      title="Images"
      note="Reports of scanners, and signatures. Contents stay in the broker."
    >
      <Fields path="/posture" names={[['image', 'Digest of an image', 'sha256:…']]} />
      {digest !== '' && image === undefined && (
        <p class="quiet">A digest is sha256: and 64 hexadecimal digits. All images are shown.</p>
      )}
      <List
        {...evidence}
        label="Evidence"
        keyOf={({ id }) => id}
        empty="No scanner reported about an image."
        columns={[
          { title: 'Images', of: ({ digests }) => <Digests of={digests} /> },
          { title: 'Kind', of: ({ kind }) => kind },
          { title: 'Scanner', of: ({ scanner }) => <Name>{scanner}</Name> },
          { title: 'Sent by', of: ({ writer }) => <Name>{writer}</Name> },
          { title: 'Reported', of: ({ reportedAt }) => <Time at={reportedAt} /> },
        ]}
      />
      <Command words={['evidence', 'ls']} />
      <List
        {...attestations}
        label="Attestations"
        keyOf={({ id }) => id}
        empty="There is no signature of an image."
        columns={[
          { title: 'Image', of: (each) => <Digests of={[each.digest]} /> },
          { title: 'Type', of: ({ type }) => <Name>{type}</Name> },
          { title: 'Sent by', of: ({ createdBy }) => <Name>{createdBy}</Name> },
          { title: 'Received', of: ({ createdAt }) => <Time at={createdAt} /> },
        ]}
      />
      <Command words={['attestation', 'ls']} />
    </Section>
  );
}

function Digests({ of: digests }: { readonly of: readonly string[] }): JSX.Element {
  return (
    <>
      {digests.map((digest) => (
        <a key={digest} href={to('/posture', { image: digest })} title={digest}>
          <code>{digest.slice(0, 19)}</code>
        </a>
      ))}
    </>
  );
}
