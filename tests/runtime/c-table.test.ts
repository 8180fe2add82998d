/** The script that finds the positions of the C interface's table again reads a header's members as a compiler does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readTable } from "../../scripts/c-table/header.ts";
import { TABLE } from "../../src/numeric/runtime/c-table.ts";

/** Every way in which the header declares a member, in words of our own. */
const HEADER = `
#define ORT_API_VERSION 29
#define ORT_CLASS_RELEASE(X) void(ORT_API_CALL * Release##X)(_Frees_ptr_opt_ Ort##X * input)
struct OrtApi {
  /// \\name first; of all
  OrtStatus*(ORT_API_CALL* CreateStatus)(OrtErrorCode code, _In_ const char* msg)NO_EXCEPTION ORT_ALL_ARGS_NONNULL;
  OrtErrorCode(ORT_API_CALL* GetErrorCode)(_In_ const OrtStatus* status) NO_EXCEPTION ORT_ALL_ARGS_NONNULL;
  const char*(ORT_API_CALL* GetErrorMessage)(_In_ const OrtStatus* status)NO_EXCEPTION ORT_ALL_ARGS_NONNULL;
  /** a comment; with a semicolon */
  ORT_API2_STATUS(CreateEnv, OrtLoggingLevel log_severity_level, _In_ const char* logid, _Outptr_ OrtEnv** out);
  ORT_API2_STATUS(Several, _In_reads_(len) const char* const* names, size_t len, // another, comment
                  _Inout_ int64_t* dims, GraphOptimizationLevel level, _In_ const ORTCHAR_T* path);
  ORT_CLASS_RELEASE(Env);
  const char*(ORT_API_CALL* GetBuildInfoString)(void);
  ORT_API_T(bool, HasShape, _In_ const OrtValue* value);
  void(ORT_API_CALL* Log)(_In_ OrtLoggingFunction* fn, uint32_t version) NO_EXCEPTION;
#ifdef __cplusplus
  OrtApi(const OrtApi&) = delete;
#endif
};
`;

test("members are found in order, with what they give and take", () => {
  const { version, functions } = readTable(HEADER);
  assert.equal(version, 29);
  assert.deepEqual(
    functions.map(({ name, gives, takes }) => `${name} ${gives} ${takes}`),
    [
      "CreateStatus status is",
      "GetErrorCode other p",
      "GetErrorMessage pointer p",
      "CreateEnv status isp",
      "Several status pzpif",
      "ReleaseEnv void p",
      "GetBuildInfoString pointer ",
      "HasShape other p",
      "Log void pi",
    ],
  );
  assert.equal(
    functions.findIndex(({ name }) => name === "CreateEnv"),
    TABLE.CreateEnv.position,
  );
});

test("what is not understood is an error, not a shift of all that follows", () => {
  assert.throws(() => readTable(HEADER.replace("ORT_CLASS_RELEASE(Env)", "int surprise[3]")), /not understood/);
  assert.throws(() => readTable("int main() {}"), /not an onnxruntime_c_api.h/);
});
