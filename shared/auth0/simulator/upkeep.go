package simulator

// upkeepRarities are what runs a tenant without anybody logging in:
// directories, keys, forms, domains.
func upkeepRarities() []rarity {
	const connector = withConnection | withAddress | withHost
	const sync = withConnection | withStrategy
	const synced = `"synchronization_id":"sync_$token20","created_at":"$ago130","started_at":"$ago120","scheduled":true`
	const page = plainLoginParts | withHost | withSDK | withReferences
	return []rarity{
		{"coff", "The directory connector is offline", directory, connector, "", []next{{"con", 0.9}}},
		{"con", "The directory connector is online", directory, connector, "", nil},
		{"fcpro", "The directory connector could not be set up", directory, connector | withClient, `"details":"certificate has expired"`, nil},
		{"directory_sync_started", "Directory sync started", directory, sync, synced, []next{{"directory_sync_completed", 0.8}, {"directory_sync_failed", 0.1}}},
		{"directory_sync_completed", "Directory sync finished", directory, sync, synced + `,"completed_at":"$ago0","sync_status":"completed"`, nil},
		{"directory_sync_failed", "Directory sync failed", directory, sync, synced + `,"sync_status":"failed","error":{"message":"2 users could not be written","user_errors":[{"identity_user_id":"$identity","operation":"update","reason":"email_in_use"},{"identity_user_id":"00u$hex16","operation":"create","reason":"invalid_email"}],"user_errors_summary":{"email_in_use":1,"invalid_email":1},"user_errors_truncated":false}`, nil},
		{"flows_execution_completed", "Flow finished", person, page, `"execution_id":"exec_$token22","flow_id":"af_4Jq8sVbT2nLxWc6K","state":"completed"`, []next{{"forms_submission_succeeded", 0.4}}},
		{"flows_execution_failed", "Flow failed", person, page, `"execution_id":"exec_$token22","flow_id":"af_4Jq8sVbT2nLxWc6K","state":"failed","error":{"code":"request_failed","message":"The CRM answered 503"}`, nil},
		{"forms_submission_succeeded", "Form submitted", person, page, `"form_id":"ap_9Rt3mKyPq7HwZs5D","state":"submitted"`, nil},
		{"forms_submission_failed", "Form not submitted", person, page, `"form_id":"ap_9Rt3mKyPq7HwZs5D","state":"failed","error":{"code":"invalid_field","message":"The field tax_id is not valid"}`, nil},
		{"custom_domain_verification_failed", "The custom domain could not be verified", platform, 0, `"custom_domain_id":"cd_5LwQzR8vKj2XnB7T","domain":"login.acme.example","status":"pending_verification","type":"auth0_managed_certs","created_at":"$ago7200","error":"ENODATA","errorMsg":"queryCname ENODATA login.acme.example"`, nil},
		{"kms_key_management_success", "Encryption key rekeyed", platform, 0, `"id":"$uuid","state":"active","type":"tenant-encryption-key"`, []next{{"kms_key_state_changed", 0.8}}},
		{"kms_key_management_failure", "Encryption key not imported", platform, 0, `"error":{"message":"The wrapped key is not valid"},"operation":"import"`, nil},
		{"kms_key_state_changed", "Encryption key changed its state", platform, 0, `"id":"$uuid","state":"deactivated","type":"tenant-encryption-key"`, nil},
	}
}

// noticeRarities are what Auth0 and a customer's own helpers tell a tenant,
// some of it in codes that Auth0 has given up.
func noticeRarities() []rarity {
	const visitor = withAddress | withAgent
	const sso = `"ss_sso_tracing_id":"$uuid","connection_name":"litware-saml","custom_domain":"login.acme.example","enabled_features":{"sso":true,"provisioning":false,"domainVerification":true},"flow_type":`
	return []rarity{
		{"appi", "Extra capacity is in use", machine, withClient | withAgent | withSDK, `"docs":"https://auth0.com/docs/troubleshoot/customer-support/operational-policies/rate-limit-policy","request":{"method":"POST","path":"/oauth/token"},"response":"200","total_hours_allocated":48,"total_hours_consumed":$roll20,"total_hours_remaining":28`, nil},
		{"ss_sso_info", "Self-service connection is being tried", person, visitor, sso + `"create","ss_sso_event_name":"ss_sso_try_connection_start"`, []next{{"ss_sso_success", 0.7}, {"ss_sso_failure", 0.2}}},
		{"ss_sso_success", "Self-service connection created", person, visitor, sso + `"create","ss_sso_event_name":"ss_sso_connection_creation"`, nil},
		{"ss_sso_failure", "Self-service connection not updated", person, visitor, sso + `"update","ss_sso_event_name":"ss_sso_connection_update"`, nil},
		{"admin_update_launch", "Platform update launched", platform, 0, "", []next{{"sys_update_start", 0.9}}},
		{"sys_update_start", "Platform update started", platform, 0, "", []next{{"sys_update_end", 0.95}}},
		{"sys_update_end", "Platform update ended", platform, 0, "", nil},
		{"sys_os_update_start", "Operating system update started", platform, 0, "", []next{{"sys_os_update_end", 0.95}}},
		{"sys_os_update_end", "Operating system update ended", platform, 0, "", nil},
	}
}
