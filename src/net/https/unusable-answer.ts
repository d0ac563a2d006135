/** A response that breaks the bounds of its reader. The error contains nothing that was received. */
export class UnusableAnswer extends Error {
  override readonly name = 'UnusableResponse';
  readonly reason:
    | 'body_too_large'
    | 'too_fragmented'
    | 'too_many_values'
    | 'too_many_heads'
    | 'content_encoding'
    | 'protocol_switch';

  constructor(reason: UnusableAnswer['reason']) {
    super(reason);
    this.reason = reason;
  }
}
