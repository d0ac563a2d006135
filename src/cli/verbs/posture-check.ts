import {
  NEWEST_MINOR,
  podSecurityFindings,
  type PodSecurityLevel,
  type PodStandard,
} from '../../domain/posture/pod-security.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { problemAt } from '../documents/manifest.ts';
import { readingPod, readPods, type PodsOfDocument } from '../documents/pods.ts';
import {
  EXIT,
  problemLine,
  UsageError,
  type ExitCode,
  type FileProblem,
} from '../kernel/errors.ts';
import { coloured } from '../output/output.ts';
import { printable } from '../output/printable.ts';

interface CheckOptions {
  readonly level: PodSecurityLevel;
  readonly kubernetes: string;
}

interface JudgedPod {
  readonly owner: string;
  readonly file: string;
  readonly findings: readonly (FileProblem & { readonly check: string })[];
}

/** Checks the pods of files against a Pod Security Standard. @returns 1 if one violates it */
export async function runPostureCheck(
  context: CliContext,
  { args, options: { level, kubernetes } }: Call<CheckOptions>,
): Promise<ExitCode> {
  const standard = { level, minor: minorOf(kubernetes) };
  const pods = (await readPods(context, args)).flatMap((found) => judge(found, standard));
  const failed = pods.filter(({ findings }) => findings.length > 0).length;
  const passed = pods.length - failed;
  await context.output.show(
    { level, kubernetes: `v1.${standard.minor}`, passed, failed, pods },
    () =>
      [
        ...pods.flatMap(toLines),
        `${passed} conform to ${level} v1.${standard.minor}, ${failed} do not`,
      ].join('\n'),
  );
  return failed === 0 ? EXIT.done : EXIT.failed;
}

function minorOf(version: string): number {
  if (version === 'latest') return NEWEST_MINOR;
  const minor = Number(/^v1\.(\d{1,3})$/.exec(version)?.[1] ?? Number.NaN);
  if (minor <= NEWEST_MINOR) return minor;
  throw new UsageError(
    `--kubernetes ${version}: must be latest, or a version from v1.0 to v1.${NEWEST_MINOR}`,
  );
}

function judge({ document, pods }: PodsOfDocument, standard: PodStandard): readonly JudgedPod[] {
  return pods.map(({ owner, pod }) => ({
    owner,
    file: document.file,
    findings: readingPod(document, () =>
      podSecurityFindings(pod, standard).map(({ check, pointer, must }) => ({
        check,
        ...problemAt(document, pointer, must),
      })),
    ),
  }));
}

function toLines({ owner, findings }: JudgedPod): readonly string[] {
  const verdict = findings.length === 0 ? coloured('green', 'ok  ') : coloured('red', 'FAIL');
  return [
    `${verdict} ${printable(owner)}`,
    ...findings.map((finding) => `     ${printable(problemLine(finding))} (${finding.check})`),
  ];
}
