import type { ImageTrust } from '../../../src/domain/posture/image-trust.ts';

/** A broker to which no signature was pushed. */
export const NOTHING_SIGNED: ImageTrust = { of: () => [], signerOf: () => undefined };
