import { YES, type CommandTable } from '../run/command.ts';
import { operation } from '../run/operation.ts';

const load = () => import('../verbs/evidence.ts');
const ID = [['<id>', 'id of the evidence, as `evidence ls` shows it']] as const;

/** Reports of scanners, which posture profiles read. */
export const EVIDENCE: CommandTable = {
  heading: 'Evidence about images:',
  groups: { evidence: 'what scanners found in images' },
  commands: [
    {
      command: 'evidence push',
      summary: 'store the report of a scanner, or VEX, about an image',
      details:
        'Reads JSON of Trivy, the Trivy Operator, Grype, Clair 4 and CycloneDX, OpenVEX, and vulnerability attestations of cosign. Descriptions of a large report are not sent. The newest report of each scanner counts. Needs the role evidence-writer, which a role binding gives to a pipeline.',
      arguments: [['<file>', 'the report, or - for standard input']],
      options: [
        [
          '--image <digest>',
          'digest of the image, such as sha256:…, if the report has none or another one of the same image',
          { isRepeated: true },
        ],
        [
          '--format <format>',
          'format of the report',
          {
            choices: [
              'auto',
              'trivy',
              'trivy-operator',
              'grype',
              'clair',
              'cyclonedx',
              'openvex',
              'cosign-vuln',
            ],
            fallback: 'auto',
          },
        ],
        [
          '--covers <what>',
          'what the scan looked for, if the report does not show it; may be repeated',
          { isRepeated: true, words: ['vulnerabilities', 'secrets'] },
        ],
      ],
      examples: [
        'quaymaster evidence push trivy.json',
        'quaymaster evidence push trivy.json --covers vulnerabilities,secrets',
      ],
      load: async () => (await load()).runEvidencePush,
    },
    operation('listEvidence', {
      command: 'evidence ls',
      summary: 'list evidence about images',
      options: [['--image <digest>', 'only evidence about the image with this digest']],
      columns: {
        id: 'id',
        kind: 'kind',
        scanner: 'scanner',
        image: ({ digests }) => digests[0],
        scanned: 'reportedAt',
        writer: 'writer',
      },
      examples: ['quaymaster evidence ls'],
    }),
    {
      command: 'evidence show',
      summary: 'show what one scanner found in one image, the worst first',
      arguments: ID,
      examples: ['quaymaster evidence show evi_01H8'],
      load: async () => (await load()).runEvidenceShow,
    },
    {
      command: 'evidence rm',
      summary: 'delete evidence about an image',
      details: 'Pods with the image wait for another report, if a profile needs one.',
      arguments: ID,
      options: [YES],
      examples: ['quaymaster evidence rm evi_01H8'],
      load: async () => (await load()).runEvidenceRemove,
    },
  ],
};
