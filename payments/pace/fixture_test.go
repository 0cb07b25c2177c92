package pace

const mib = 1 << 20
