/** Prefixes of the codes that OpenSSL and Node give to faults of certificates and handshakes. */
const TLS_FAULT =
  /^(?:ERR_TLS|ERR_SSL|EPROTO|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO|HOSTNAME|INVALID_CA)/;

/** Reports whether the peer did not prove its identity, or there is no common protocol: a retry does not help. */
export function isTlsFault(code: string | undefined): boolean {
  return TLS_FAULT.test(code ?? '');
}
