package andon;

import org.eclipse.hawkbit.autoconfigure.security.EnableHawkbitManagedSecurityConfiguration;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Configuration;
import org.springframework.security.config.annotation.method.configuration.EnableGlobalMethodSecurity;
import org.springframework.security.config.annotation.method.configuration.GlobalMethodSecurityConfiguration;

/** The update server alone: Management API and device API. */
@SpringBootApplication
@EnableHawkbitManagedSecurityConfiguration
public class Server {

    /** Permissions are checked through proxies only when somebody asks for it; the web UI, left out here, used to. */
    @Configuration
    @EnableGlobalMethodSecurity(securedEnabled = true, prePostEnabled = true, proxyTargetClass = true)
    static class CheckPermissions extends GlobalMethodSecurityConfiguration {
    }

    public static void main(final String[] args) {
        SpringApplication.run(Server.class, args);
    }
}
