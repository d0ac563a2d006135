import { readClair } from './clair.ts';
import { readCycloneDx } from './cyclonedx.ts';
import { readGrype } from './grype.ts';
import { readOpenVex } from './openvex.ts';
import { digestIn, fieldText, instantOf, type Report, type ReportAdapter } from './report.ts';
import { isTrivyOperator, readTrivyOperator } from './trivy-operator.ts';
import { readTrivy, trivyVersion } from './trivy.ts';
import { JsonNode, MalformedJson } from '../../text/json-node.ts';

export const REPORT_FORMATS = [
  'trivy',
  'trivy-operator',
  'grype',
  'clair',
  'cyclonedx',
  'openvex',
  'cosign-vuln',
] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

const ADAPTERS: Readonly<Record<ReportFormat, ReportAdapter>> = {
  trivy: readTrivy,
  'trivy-operator': readTrivyOperator,
  grype: readGrype,
  clair: readClair,
  cyclonedx: readCycloneDx,
  openvex: readOpenVex,
  'cosign-vuln': readCosignVuln,
};

const VULN_PREDICATE = 'https://cosign.sigstore.dev/attestation/vuln/v1';

/** Reads a report of a scanner or a VEX document. An undefined format is recognised by members that only one format has. @throws MalformedJson */
export function readReport(
  value: unknown,
  {
    format,
    image,
  }: { readonly format: ReportFormat | undefined; readonly image: readonly string[] },
): Report & { readonly format: ReportFormat } {
  const root = new JsonNode(value, '', 'the report');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedJson('', 'must be a JSON object', 'the report');
  }
  const found = format ?? formatOf(root);
  const report = ADAPTERS[found](root, image);
  checkImage(report, image);
  return { ...report, format: found };
}

function formatOf(root: JsonNode): ReportFormat {
  if (isTrivyOperator(root)) return 'trivy-operator';
  if (fieldText(root.at('bomFormat')) === 'CycloneDX') return 'cyclonedx';
  if (fieldText(root.at('@context')).startsWith('https://openvex.dev/')) return 'openvex';
  if (isCosignVuln(root)) return 'cosign-vuln';
  if (!root.at('SchemaVersion').isAbsent && !root.at('ArtifactName').isAbsent) return 'trivy';
  if (!root.at('matches').isAbsent && !root.at('descriptor').isAbsent) return 'grype';
  if (!root.at('manifest_hash').isAbsent) return 'clair';
  throw new MalformedJson(
    '',
    `is in no known format: the known ones are ${REPORT_FORMATS.join(', ')}`,
    'the report',
  );
}

function isCosignVuln(root: JsonNode): boolean {
  if (!root.at('predicateType').isAbsent) {
    return fieldText(root.at('predicateType')) === VULN_PREDICATE;
  }
  const scanner = root.at('scanner').value;
  return typeof scanner === 'object' && !root.at('scanner', 'result').isAbsent;
}

/** A statement of in-toto with the predicate of `cosign attest --type vuln`, or the predicate alone, with a report of Trivy. */
function readCosignVuln(root: JsonNode, image: readonly string[]): Report {
  const isStatement = !root.at('predicateType').isAbsent;
  if (isStatement && fieldText(root.at('predicateType')) !== VULN_PREDICATE) {
    throw new MalformedJson('/predicateType', `must be ${VULN_PREDICATE}`);
  }
  const predicate = isStatement ? root.at('predicate') : root;
  const report = readTrivy(predicate.at('scanner', 'result'));
  const version = trivyVersion(predicate.at('scanner', 'version'));
  const subjects = root
    .at('subject')
    .items()
    .flatMap((subject) => digestIn(`sha256:${fieldText(subject.at('digest', 'sha256'))}`));
  checkImage(report, subjects);
  checkImage({ ...report, manifests: subjects }, image);
  return {
    ...report,
    scannerVersion: version === '' ? report.scannerVersion : version,
    manifests: [...new Set([...subjects, ...report.manifests])],
    reportedAt: instantOf(predicate.at('metadata', 'scanFinishedOn')) ?? report.reportedAt,
  };
}

/** A report of another image than the sender names is a mistake of its pipeline. @throws MalformedJson */
function checkImage({ manifests, configs }: Report, image: readonly string[]): void {
  const own = [...manifests, ...configs];
  if (manifests.length === 0 || image.length === 0) return;
  if (image.some((digest) => own.includes(digest))) return;
  throw new MalformedJson(
    '',
    `is about the image ${own.join(', ')}, not ${image.join(', ')}`,
    'the report',
  );
}
