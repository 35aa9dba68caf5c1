import * as everything from "basilica-sdk"

// Handed out whole, so that nothing of it can be left out of the bundle.
Object.assign(globalThis, { everything })
