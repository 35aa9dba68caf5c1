import * as local from "basilica-sdk/local"
import * as node from "basilica-sdk/node"

export { local, node }
