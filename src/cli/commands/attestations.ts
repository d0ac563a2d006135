import type { CommandTable } from '../run/command.ts';
import { operation } from '../run/operation.ts';

const load = () => import('../verbs/attestations.ts');
const ID = [['<id>', 'id of the attestation, as `attestation ls` shows it']] as const;

export const ATTESTATIONS: CommandTable = {
  heading: 'Image signatures:',
  groups: { attestation: 'signatures of images and attestations about them' },
  commands: [
    {
      command: 'attestation push',
      summary:
        'store signatures or attestations of an image in the broker; needs the role evidence-writer',
      details:
        'Give a Sigstore bundle, payload and signature of a simple signing, or an image in a registry, whose signatures this command fetches. The broker stores what anyone signed; posture profiles decide whose signatures count.',
      arguments: [['[bundle]', 'file with a Sigstore bundle, or - for standard input']],
      options: [
        ['--digest <digest>', 'the image; needed if the statement is about several'],
        ['--payload <file>', 'payload of a simple signing, as `cosign generate` makes it'],
        ['--signature <file>', 'its signature in base64, as `cosign sign-blob` makes it'],
        ['--from-registry <image>', 'fetch from the registry; the image with its digest'],
        ['--registry-ca <file>', 'CA of the certificate of the registry'],
        ['--registry-login <file>', 'file with user:password for the registry'],
        [
          '--registry-host <host>',
          'another host of the registry, for tokens and redirects, such as auth.registry.example',
          { isRepeated: true },
        ],
      ],
      examples: [
        'quaymaster attestation push bundle.json',
        'quaymaster attestation push --from-registry registry.example/prod/web@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      ],
      load: async () => (await load()).runPush,
    },
    operation('listAttestations', {
      command: 'attestation ls',
      summary: 'list signatures and attestations by the digest of their image',
      options: [['--digest <digest>', 'of this image only']],
      columns: {
        id: 'id',
        digest: 'digest',
        type: 'type',
        bytes: 'bytes',
        created: 'createdAt',
        by: 'createdBy',
      },
      examples: ['quaymaster attestation ls'],
    }),
    {
      command: 'attestation show',
      summary: 'show a signature or attestation, and the authorities that accept it',
      arguments: ID,
      examples: [
        'quaymaster attestation show att_3f1c',
        'quaymaster attestation show att_3f1c --output json',
      ],
      load: async () => (await load()).runShow,
    },
    operation('deleteAttestation', {
      command: 'attestation rm',
      summary: 'delete a signature or attestation; pods that need it get no secret from then on',
      arguments: ID,
      options: [['--reason <text>', 'reason; recorded in the audit log']],
      text: (_body, [id = '']) => `deleted ${id}`,
      examples: ['quaymaster attestation rm att_3f1c --reason INC-7'],
    }),
  ],
};
